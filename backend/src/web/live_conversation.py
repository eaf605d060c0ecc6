"""One client's conversation over /v1/ws/pvs (the protocol: services/streaming/messages.py)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, NoReturn, assert_never

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from backend.src.config.settings import StreamingSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import LarderError
from backend.src.services.live import Inventories, LiveNames, LiveTable, Named
from backend.src.services.streaming import Client, messages
from backend.src.web.access import POLICY_VIOLATION, RECHECK_S, Recheck
from backend.src.web.entry_blocks import entries_json, with_entries

GOING_AWAY, TOO_SLOW = 1001, 1013  # RFC 6455 and its registry
NS = 1e9


class _Over(Exception):
    """The conversation ends, with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Conversation:
    """Hears a client and talks to it, until one of the two leaves."""

    def __init__(
        self,
        socket: WebSocket,
        client: Client,
        *,
        live: LiveTable,
        names: LiveNames,
        catalog: Inventories,
        recheck: Recheck,
        closing: asyncio.Event,
        clock: Clock,
        settings: StreamingSettings,
    ) -> None:
        self._socket = socket
        self._client = client
        self._live = live
        self._names = names
        self._catalog = catalog
        self._recheck = recheck
        self._closing = closing
        self._clock = clock
        self._settings = settings
        self._one_message = asyncio.Lock()

    async def run(self) -> int | None:
        """Returns when it is over; the socket is closed then, with this code unless the client left by itself."""
        code = None
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in (self._listen, self._tell, self._beat, self._end_with_trust, self._end_with_server):
                    tasks.create_task(part())
        except* _Over as over:
            end = next(end for end in over.exceptions if isinstance(end, _Over))
            await self._close(end)
            code = end.code
        except* WebSocketDisconnect:
            pass  # the client left
        return code

    # -- the five parts ---------------------------------------------------------------------------------------

    async def _listen(self) -> NoReturn:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            try:
                await self._answer(messages.parse(message.get("text") or message.get("bytes") or b""))
            except LarderError as exc:
                await self._send(messages.error(exc.message))

    async def _tell(self) -> NoReturn:
        while True:
            await asyncio.sleep(self._settings.interval_s)
            due = self._clock.monotonic()
            async with self._one_message:  # before: what is pending is what no message under way tells
                pending = self._client.pending()
                if pending.names:
                    self._client.told(pending)
                    key, message = messages.diff(len(pending.names), self._now())
                    await self._transmit_entries(key, message, Named(pending.names, pending.slots, []))
            self._client.skipped += int((self._clock.monotonic() - due) / self._settings.interval_s)

    async def _beat(self) -> NoReturn:
        while True:
            await asyncio.sleep(self._settings.heartbeat_s)
            beat = self._live.heartbeat()
            last = beat.beat_ns / NS if beat.beat_ns else None
            await self._send(messages.heartbeat(self._now(), last, monitor_alive=beat.alive))

    async def _end_with_trust(self) -> NoReturn:
        while True:
            await asyncio.sleep(RECHECK_S)
            try:
                await self._recheck()
            except LarderError as exc:
                raise _Over(POLICY_VIOLATION, exc.message) from exc

    async def _end_with_server(self) -> NoReturn:
        await self._closing.wait()
        raise _Over(GOING_AWAY, "the server is stopping")

    # -- answers ----------------------------------------------------------------------------------------------

    async def _answer(self, message: messages.Incoming) -> None:
        match message:
            case messages.Subscribe(pvNames=names):
                await self._subscribe(names)
            case messages.Unsubscribe(pvNames=names):
                await self._send(messages.unsubscribed(self._client.remove(names)))
            case messages.GetAll():
                named = self._names.everything(await self._catalog.inventory())
                async with self._one_message:
                    await self._transmit_entries(*messages.all_values(len(named.names)), named)
            case messages.Ping():
                await self._send(messages.pong(self._now()))
            case messages.Auth():
                await self._send(messages.error("this socket is authenticated already"))
            case _:
                assert_never(message)

    async def _subscribe(self, names: list[str]) -> None:
        named = self._names.find(await self._catalog.inventory(), names)
        self._client.add(named.names, named.slots)
        await self._send(messages.subscribed(named.names, named.unknown))
        async with self._one_message:  # a diff in between would be older than what follows it
            await self._transmit_entries(*messages.initial(len(named.names)), named)

    # -- the wire ---------------------------------------------------------------------------------------------

    async def _send(self, message: Mapping[str, Any]) -> None:
        async with self._one_message:
            await self._transmit(orjson.dumps(message))

    async def _transmit_entries(self, key: str, message: Mapping[str, Any], named: Named) -> None:
        frame, stale = self._live.frame(named.slots), self._live.stale(named.slots)
        await self._transmit(with_entries(message, key, await entries_json(named.names, frame, stale)))

    async def _transmit(self, message: bytes) -> None:
        try:
            async with asyncio.timeout(self._settings.send_timeout_s):
                await self._socket.send_text(message.decode())
        except TimeoutError as exc:
            raise _Over(TOO_SLOW, "the client does not read") from exc

    async def _close(self, over: _Over) -> None:
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):  # it may be gone already
            async with asyncio.timeout(1.0):
                await self._socket.close(over.code, over.reason[:120])

    def _now(self) -> float:
        return self._clock.time_ns() / NS
