"""A WebSocket client in the same process: the ASGI messages, without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

TIMEOUT_S = 20.0  # to give up


class Closed(Exception):
    """The server closed the socket."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class AsgiSocket:
    """One connection; `answers` are the raw messages that the server sent before accepting."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.first: dict[str, Any] = {}

    async def send_text(self, text: str) -> None:
        await self.to_server.put({"type": "websocket.receive", "text": text})

    async def send_json(self, message: Any) -> None:
        await self.send_text(json.dumps(message))

    async def send_bytes(self, data: bytes) -> None:
        await self.to_server.put({"type": "websocket.receive", "bytes": data})

    async def leave(self) -> None:
        await self.to_server.put({"type": "websocket.disconnect", "code": 1001})

    async def receive_text(self) -> str:
        """Raises Closed."""
        message = await self.receive()
        if message["type"] == "websocket.close":
            raise Closed(message["code"])
        text: str = message["text"]
        return text

    async def receive_json(self) -> Any:
        """Raises Closed."""
        return json.loads(await self.receive_text())

    async def receive(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.from_server.get(), TIMEOUT_S)

    def headers(self) -> dict[str, str]:
        """Those of the answer to the handshake."""
        return {name.decode(): value.decode() for name, value in self.first.get("headers", ())}


@asynccontextmanager
async def connect(app: Any, path: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[AsgiSocket]:
    """A socket whose handshake was answered; `first` is that answer, an accept or a refusal."""
    socket = AsgiSocket()
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "subprotocols": [],
        "client": None,
        "server": None,
    }
    await socket.to_server.put({"type": "websocket.connect"})
    serving = asyncio.create_task(app(scope, socket.to_server.get, socket.from_server.put))
    try:
        socket.first = await socket.receive()
        yield socket
    finally:
        await socket.leave()
        await asyncio.wait_for(serving, TIMEOUT_S)
