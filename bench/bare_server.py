"""A bare FastAPI route on the server that Larder uses: what an authenticated GET of Larder is measured against."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from bench.aioca_client import ROOT
from tests.servers.ports import free_port


class Answer(BaseModel):
    """As large as what Larder answers."""

    active_connections: int = 0
    total_subscriptions: int = 0
    unique_pvs_subscribed: int = 0
    messages_sent: int = 0
    max_clients: int = 200
    max_subscriptions: int = 100_000
    monitor_alive: bool = True


app = FastAPI()


@app.get("/bare")
async def bare() -> Answer:
    """Nothing but the answer."""
    return Answer()


@contextmanager
def bare_server() -> Iterator[str]:
    """Its URL while it runs."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.bare_server", str(port)], cwd=ROOT)
    url = f"http://127.0.0.1:{port}/bare"
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(url).raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), http="httptools", access_log=False, log_level="warning")
