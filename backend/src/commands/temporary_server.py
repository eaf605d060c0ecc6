"""A server that lives as long as one command, for when none is running."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx

from backend.src.commands.trust import trust_of
from backend.src.config.settings import Role, Settings
from backend.src.core.errors import StartFailed

START_TIMEOUT_S = 40.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05


@contextmanager
def temporary_server(config: Path | None, settings: Settings) -> Iterator[str]:
    """Starts a server on a free port, yields its URL and stops it. Raises StartFailed with what it printed."""
    port = free_port()
    command = [sys.executable, "-m", "backend.src", "serve", "--port", str(port)]
    command += ["--config", str(config)] if config else []
    with tempfile.TemporaryFile("w+") as output:
        environment = {**os.environ, **_of_a_command(settings)}
        # a session of its own: Ctrl-C is for the command, which then stops the server in order
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
        try:
            url = f"{'https' if settings.door.tls_certificate else 'http'}://127.0.0.1:{port}"
            wait_until_ready(url, process, output, trust_of(settings.door))
            yield url
        finally:
            stop(process)


def _of_a_command(settings: Settings) -> dict[str, str]:
    """Answers whatever the configured role; links lead to the server that stays; what is due can wait for that one."""
    waits = {"ENABLE_CRONS": "false", "JOBS_OF_OTHERS": "false"}
    return {"HOST": "127.0.0.1", "PUBLIC_URL": settings.public_url, "ROLE": Role.ALL.value, **waits}


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(
    url: str, process: subprocess.Popen[bytes], output: IO[str], verify: ssl.SSLContext | bool = True
) -> None:
    """Returns once the server says it is ready. Raises StartFailed when it ends or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _start_failed(output)
        try:
            if httpx.get(f"{url}/health/live", timeout=1.0, verify=verify).is_success:
                return
        except httpx.TransportError:
            time.sleep(POLL_S)
    raise StartFailed(
        f"the server did not answer within {START_TIMEOUT_S:g} s", remedy="run it alone to see why: serve"
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a server in order, or by force when it does not end."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start_failed(output: IO[str]) -> StartFailed:
    output.seek(0)
    lines = [line.strip() for line in output.read().splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    remedies = [line.removeprefix("-> ") for line in lines if line.startswith("-> ")]
    message = errors[-1] if errors else (lines[-1] if lines else "the server ended at once")
    return StartFailed(message, remedy=remedies[-1] if remedies else None)
