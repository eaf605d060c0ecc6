"""The socket that the server listens on, and uvicorn behind it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any

import uvicorn

from backend.src.config.settings import Settings
from backend.src.core.errors import StartFailed
from backend.src.core.runtime_control import RuntimeControl
from backend.src.core.supervisor import Supervisor
from backend.src.web.strict_protocols import StrictHttp, StrictWebSocket
from backend.src.web.tls import Certificate

GRACE_S = 1  # what a request under way gets to end once the stop was asked for


class Listener:
    """Bound first and served later, so that a taken port is known before anything starts."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket: socket.socket | None = None
        self._certificate: Certificate | None = None

    def bind(self) -> str:
        """Takes the port and returns the server's URL. Raises StartFailed when it or the certificate cannot be had."""
        if self._settings.door.tls_certificate:
            self._certificate = Certificate(self._settings.door)
        host, port = self._settings.server.host, self._settings.server.port
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(address)
        except OSError as exc:
            self.close()
            raise _refused(host, port, exc) from exc
        shown = f"[{host}]" if ":" in host else host
        scheme = "https" if self._certificate else "http"
        return f"{scheme}://{shown}:{self._socket.getsockname()[1]}"

    async def serve(self, app: Any, control: RuntimeControl, supervisor: Supervisor) -> None:
        """Answers requests until the stop is asked for. The app's lifespan is the caller's to hold open."""
        if self._certificate is not None:
            supervisor.start_loop("certificate", self._certificate.follow)
        server = _Uvicorn(self._uvicorn_config(app))
        serving = asyncio.ensure_future(server.serve(sockets=[self._socket] if self._socket else None))
        stopping = asyncio.ensure_future(control.drained(self._settings.server.drain_s))
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
        stopping.cancel()

    def close(self) -> None:
        """Gives the port back; harmless when it was never taken."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _context(self, _config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        assert self._certificate is not None
        return self._certificate.context

    def _uvicorn_config(self, app: Any) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            lifespan="off",
            http=StrictHttp,
            ws=StrictWebSocket,
            # what a proxy forwards is looked at behind the listener, and only when the proxy is trusted
            proxy_headers=False,
            ssl_context_factory=self._context if self._certificate else None,
            ws_max_size=self._settings.streaming.max_message_bytes,
            # deflating a message of megabytes would hold up the event loop, and with it everybody else
            ws_per_message_deflate=False,
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to RuntimeControl, and half-closed connections behind."""

    def capture_signals(self) -> Any:
        return _Nothing()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # a client that left without reading keeps its connection half closed, and uvicorn's own shutdown trips over it
        self._abort_half_closed()
        await asyncio.sleep(0)
        await super().shutdown(sockets)
        self._abort_half_closed()

    def _abort_half_closed(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport.is_closing():
                connection.transport.abort()


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


def _refused(host: str, port: int, exc: OSError) -> StartFailed:
    if exc.errno == errno.EADDRINUSE:
        return StartFailed(f"port {port} on {host} is taken", remedy="stop what listens there, or set PORT to another")
    if exc.errno in (errno.EACCES, errno.EPERM):
        return StartFailed(f"port {port} on {host} needs more rights", remedy="set PORT to one above 1023")
    reason = exc.strerror or os.strerror(exc.errno or 0)
    return StartFailed(f"cannot listen on {host}:{port}: {reason}", remedy="set HOST to an address of this machine")
