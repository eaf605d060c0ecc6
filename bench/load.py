"""A load generator in a process of its own: keeps some connections busy with one GET, and counts the answers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from bench.aioca_client import ROOT

CONNECTIONS = 16
OK = b"HTTP/1.1 200"


def throughput(url: str, headers: Mapping[str, str], for_s: float) -> float:
    """Answers a second. Raises ValueError when any answer was not 200."""
    order = json.dumps({"url": url, "headers": dict(headers), "for_s": for_s})
    command = [sys.executable, "-m", "bench.load", order]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=for_s + 30)
    answer = json.loads(done.stdout)
    if answer["refused"]:
        raise ValueError(f"{answer['refused']} answers of {url} were not 200")
    return float(answer["per_s"])


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the answer before it is complete."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self.answers = self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self.answers += 1
        self.refused += not head.startswith(OK)
        self._data = b""
        assert self._transport is not None
        self._transport.write(self._request)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])


async def _load(url: str, headers: Mapping[str, str], for_s: float) -> dict[str, float]:
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    assert host is not None and port is not None, url
    lines = [
        f"GET {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Connection(request), host, port) for _ in range(CONNECTIONS)]
    connections = [connection for _, connection in made]
    await asyncio.sleep(for_s / 4)  # warm
    before, began = sum(one.answers for one in connections), time.perf_counter()
    await asyncio.sleep(for_s)
    per_s = (sum(one.answers for one in connections) - before) / (time.perf_counter() - began)
    return {"per_s": per_s, "refused": sum(one.refused for one in connections)}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run(_load(given["url"], given["headers"], given["for_s"]))))
