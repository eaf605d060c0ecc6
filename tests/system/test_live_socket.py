"""/v1/ws/pvs over real sockets, with a live table that the test feeds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connecting
from websockets.exceptions import ConnectionClosed

from backend.src.config.settings import ServerSettings, Settings, StreamingSettings
from backend.src.core.clock import SystemClock
from backend.src.core.errors import Unauthenticated
from backend.src.core.runtime_control import RuntimeControl
from backend.src.core.supervisor import Supervisor
from backend.src.infra.epics.frame import ValueType, bits_from_scalar
from backend.src.services.accounts.principal import Principal, PrincipalKind, Scope
from backend.src.services.live import LiveNames, LiveTable
from backend.src.services.streaming import SubscriptionRegistry
from backend.src.web.app import build_app
from backend.src.web.endpoints.live_socket import LiveSocketEndpoint
from backend.src.web.listener import Listener
from backend.src.web.path_manager import PathManager
from tests.servers.ports import free_port
from tests.unit.services.catalogue import FixedCatalog, inventory_of
from tests.unit.services.readings import batch

PVS = 5_000
NAMES = [f"M:{number}" for number in range(PVS)]


class Keys:
    """Accounts with two keys: `reader` may read, `nobody` nothing."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.session_ended = False
        self.now_held = frozenset({Scope.READ})

    async def authenticate(self, token: str, address: str = "") -> Principal:
        if token not in ("reader", "nobody") or token in self.revoked:
            raise Unauthenticated("the API key is not known, or was revoked")
        scopes = frozenset({Scope.READ} if token == "reader" else ())
        return Principal(PrincipalKind.KEY, "1", token, scopes)

    async def authenticate_bearer(self, token: str, address: str = "") -> Principal:
        if token != "jwt":
            raise Unauthenticated("the token is not valid")
        return Principal(PrincipalKind.USER, "2", "somebody", self.now_held, session="0123456789abcdef")

    async def still_holds(self, principal: Principal) -> Principal:
        if self.session_ended:
            raise Unauthenticated("the session has ended")
        return replace(principal, scopes=self.now_held)


class Served:
    """A server of the socket alone."""

    def __init__(self, **streaming: Any) -> None:
        port = free_port()
        # whoever means to say who it is gets to, however busy the machine
        options = {"interval_s": 0.05, "heartbeat_s": 0.2, "auth_timeout_s": 30.0, **streaming}
        self.settings = Settings(server=ServerSettings(port=port), streaming=StreamingSettings(**options))
        self.url = f"ws://127.0.0.1:{port}/v1/ws/pvs"
        self.http = f"http://127.0.0.1:{port}"
        self.keys = Keys()
        self.control = RuntimeControl()
        clock = SystemClock()
        self.live = LiveTable(clock, stale_after_s=60.0)
        inventory = inventory_of(*NAMES)
        self.live.track(inventory.used_slots)
        self.live.apply(batch({slot: float(slot) for slot in inventory.used_slots.tolist()}))
        self.live.beat()
        self.registry = SubscriptionRegistry(self.live, self.settings.streaming)
        paths = PathManager()
        catalog = FixedCatalog(inventory)
        names = LiveNames()
        endpoint = LiveSocketEndpoint(self.registry, self.live, names, catalog, clock, self.settings.streaming)
        paths.add(*endpoint.routes())
        paths.freeze()
        self.app = build_app(self.settings, paths, self.keys)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Served]:
        listener = Listener(self.settings)
        listener.bind()
        serving = asyncio.ensure_future(listener.serve(self.app, self.control, Supervisor()))
        try:
            await self._until_it_listens()
            yield self
        finally:
            await self.stop()
            await serving
            listener.close()

    async def _until_it_listens(self) -> None:
        async with asyncio.timeout(20.0):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    _, writer = await asyncio.open_connection("127.0.0.1", self.settings.server.port)
                    writer.close()
                    return
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        await self.registry.stop()
        self.control.stop("the test is over")

    def connect(self, key: str | None = "reader", **options: Any) -> connecting:
        headers = {"X-API-Key": key} if key else {}
        return connecting(self.url, additional_headers=headers, **{"max_size": None, "close_timeout": 0.5, **options})

    def connect_deaf(self) -> connecting:
        """A client that takes a message or two and then reads only when it is asked to."""
        return self.connect(max_queue=1, compression=None, close_timeout=0.1)

    def change(self, values: dict[int, float]) -> None:
        self.live.apply(batch(values))

    async def until_nobody_is_there(self) -> None:
        async with asyncio.timeout(20):
            while self.registry.counts().clients:
                await asyncio.sleep(0.01)

    async def change_all_for(self, seconds: float) -> None:
        changes = batch(dict.fromkeys(range(1, PVS + 1), 0.0))
        for turn in range(round(seconds / 0.05)):
            changes.rows["value"] = bits_from_scalar(float(turn), ValueType.DOUBLE)
            self.live.apply(changes)
            self.live.beat()
            await asyncio.sleep(0.05)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with Served().running() as server:
        yield server


async def said(socket: ClientConnection, kind: str, timeout_s: float = 10.0) -> dict[str, Any]:
    """The next message of a type; what JSON lacks is refused, as browsers do."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    async with asyncio.timeout(timeout_s):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv(), parse_constant=refuse)
            if message["type"] == kind:
                return message


async def say(socket: ClientConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def closed(socket: ClientConnection, timeout_s: float = 10.0) -> int:
    """Reads until the end; the close code."""
    async with asyncio.timeout(timeout_s):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    assert socket.close_code is not None
    return socket.close_code


async def test_subscribe_then_initial_then_diffs(served: Served) -> None:
    async with served.connect() as socket:
        await say(socket, "subscribe", pvNames=["M:0", "ca://M:1", "NOT:THERE"])
        answer = await said(socket, "subscribed")
        assert (answer["pvNames"], answer["unknown"]) == (["M:0", "ca://M:1"], ["NOT:THERE"])
        initial = await said(socket, "initial")
        assert initial["count"] == 2
        entry = initial["data"]["M:0"]
        assert (entry["value"], entry["connected"], entry["stale"], entry["units"]) == (1.0, True, False, None)
        served.change({1: 42.0, 3: 3.5})
        diff = await said(socket, "diff")
        assert {name: entry["value"] for name, entry in diff["data"].items()} == {"M:0": 42.0}
        assert diff["count"] == 1 and abs(diff["timestamp"] - time.time()) < 60
        await say(socket, "unsubscribe", pvNames=["M:0"])
        await said(socket, "unsubscribed")
        served.change({1: 43.0, 2: 44.0})
        assert list((await said(socket, "diff"))["data"]) == ["ca://M:1"]


async def test_get_all_and_ping(served: Served) -> None:
    async with served.connect() as socket:
        await say(socket, "get_all")
        everything = await said(socket, "all_values")
        assert everything["count"] == PVS == len(everything["values"])
        assert everything["values"]["M:4999"]["value"] == 5000.0
        await say(socket, "ping")
        assert (await said(socket, "pong"))["timestamp"] > 0


async def test_numbers_that_json_lacks(served: Served) -> None:
    """NaN in WebSocket JSON that no browser can parse."""
    async with served.connect() as socket:
        await say(socket, "subscribe", pvNames=["M:0", "M:1", "M:2"])
        await said(socket, "initial")
        served.change({1: math.nan, 2: math.inf})
        served.live.apply(batch({3: np.array([1.0, math.nan])}))
        data: dict[str, Any] = {}
        while len(data) < 3:
            data |= (await said(socket, "diff"))["data"]
        assert [data[f"M:{n}"]["value"] for n in range(3)] == ["NaN", "Infinity", [1.0, "NaN"]]


async def test_text_that_is_not_utf8(served: Served) -> None:
    async with served.connect() as socket:
        await say(socket, "subscribe", pvNames=["M:0"])
        await said(socket, "initial")
        served.live.apply(batch({1: "5 \udcb5A"}, ValueType.STRING))
        assert (await said(socket, "diff"))["data"]["M:0"]["value"] == "5 �A"


async def test_heartbeats_tell_of_the_monitor(served: Served) -> None:
    async with served.connect() as socket:
        beat = await said(socket, "heartbeat")
        assert beat["monitor_alive"] is True
        assert abs(beat["monitor_heartbeat"] - time.time()) < 60
        served.live.silence()
        async with asyncio.timeout(10.0):
            while (await said(socket, "heartbeat"))["monitor_alive"]:  # those that were under way
                pass


@pytest.mark.parametrize("text", ["no json", '{"type":"reboot"}', '{"type":"subscribe","pvNames":7}', "[]"])
async def test_nonsense_gets_an_error_and_the_socket_stays_open(served: Served, text: str) -> None:
    async with served.connect() as socket:
        await socket.send(text)
        assert (await said(socket, "error"))["message"]
        await socket.send(b"\x00\xff")
        assert (await said(socket, "error"))["message"]
        await say(socket, "ping")
        await said(socket, "pong")


@pytest.mark.parametrize("first", [{"apiKey": "reader"}, {"token": "jwt"}])
async def test_a_browser_says_who_it_is_in_its_first_message(served: Served, first: dict[str, str]) -> None:
    async with served.connect(key=None) as socket:
        await say(socket, "auth", **first)
        await say(socket, "ping")
        await said(socket, "pong")


@pytest.mark.parametrize("key", ["wrong", "nobody"])
async def test_a_key_that_may_not_read_is_refused_with_1008(served: Served, key: str) -> None:
    async with served.connect(key=key) as socket:
        assert await closed(socket) == 1008


async def test_silence_is_refused_with_1008() -> None:
    async with Served(auth_timeout_s=0.3).running() as served, served.connect(key=None) as socket:
        assert await closed(socket) == 1008


async def test_anything_but_auth_first_is_refused_with_1008(served: Served) -> None:
    async with served.connect(key=None) as socket:
        await say(socket, "get_all")
        assert await closed(socket) == 1008


@pytest.fixture
async def seldom_beating() -> AsyncIterator[Served]:
    """Whether who listens still may is not asked with the heartbeat."""
    async with Served(heartbeat_s=60.0).running() as server:
        yield server


@pytest.mark.parametrize("by_message", [False, True])
async def test_a_revoked_key_ends_the_socket(seldom_beating: Served, by_message: bool) -> None:
    served = seldom_beating
    async with served.connect(key=None if by_message else "reader") as socket:
        if by_message:
            await say(socket, "auth", apiKey="reader")
        await say(socket, "ping")
        await said(socket, "pong")
        served.keys.revoked.add("reader")
        assert await closed(socket) == 1008


@pytest.mark.parametrize("end", [{"session_ended": True}, {"now_held": frozenset()}])
async def test_the_end_of_a_session_or_of_a_right_ends_the_socket(seldom_beating: Served, end: dict[str, Any]) -> None:
    """Not the end of the token that opened it: nobody's display goes dark every ten minutes."""
    served = seldom_beating
    async with served.connect(key=None) as socket:
        await say(socket, "auth", token="jwt")
        await say(socket, "ping")
        await said(socket, "pong")
        vars(served.keys).update(end)
        assert await closed(socket) == 1008


@pytest.fixture
async def patient() -> AsyncIterator[Served]:
    """Sends nobody away before the test is over, however busy the machine."""
    async with Served(send_timeout_s=300.0).running() as server:
        yield server


async def test_a_client_that_does_not_read_delays_nobody(patient: Served) -> None:
    """One slow WebSocket client stalled all the others, in one of the peers."""
    served = patient
    async with served.connect_deaf() as deaf, served.connect() as awake:
        await say(deaf, "subscribe", pvNames=NAMES)
        await say(awake, "subscribe", pvNames=NAMES[:100])
        await said(awake, "initial")
        changing = asyncio.ensure_future(served.change_all_for(60.0))
        for _ in range(40):  # the buffers between us and the deaf one are full long before
            await said(awake, "diff", timeout_s=10.0)
        told_deaf, told_awake = (client.messages for client in served.registry._clients.values())
        assert told_deaf < told_awake, "the deaf client was not slow: this test proves nothing"
        changing.cancel()
        await said(deaf, "initial")
        await say(deaf, "unsubscribe", pvNames=NAMES[1:])
        served.change({1: -1.0})
        newest: dict[str, Any] = {}
        while newest.get("M:0", {}).get("value") != -1.0:  # what it missed is lost, the newest is not
            newest = (await said(deaf, "diff"))["data"]
        assert served.registry.counts().skipped > 0


async def test_a_client_that_never_reads_is_sent_away() -> None:
    async with Served(send_timeout_s=0.3).running() as served, served.connect_deaf() as deaf:
        await say(deaf, "subscribe", pvNames=NAMES)
        async with asyncio.timeout(20):
            while served.registry.counts().sent_away == 0:
                await served.change_all_for(0.2)
        await served.until_nobody_is_there()


async def test_limits_are_refused_clearly() -> None:
    limited = Served(max_clients=1, max_subscriptions=10, max_message_bytes=10_000)
    async with limited.running() as served, served.connect() as socket:
        await say(socket, "subscribe", pvNames=NAMES[:11])
        assert "11 subscriptions are more than the 10" in (await said(socket, "error"))["message"]
        async with served.connect() as second:
            assert "no more are taken" in (await said(second, "error"))["message"]
            assert await closed(second) == 1013
        assert (limited.registry.counts().refused, limited.registry.counts().sent_away) == (1, 0)
        await socket.send("x" * 20_000)
        assert await closed(socket) == 1009


async def test_the_server_stops_promptly_with_sockets_open() -> None:
    quiet = Served(heartbeat_s=60.0)
    async with quiet.running() as served, served.connect() as socket, served.connect_deaf() as deaf:
        await say(socket, "subscribe", pvNames=NAMES)
        await say(deaf, "subscribe", pvNames=NAMES)
        await served.change_all_for(0.5)
        began = time.monotonic()
        await served.stop()
        assert await closed(socket) in (1001, 1012)
        assert time.monotonic() - began < 10.0
    assert time.monotonic() - began < 20.0
    assert served.registry.counts().clients == 0


async def test_the_registrys_end_sends_everybody_away(served: Served) -> None:
    async with served.connect() as socket:
        await said(socket, "heartbeat")
        await served.registry.stop()
        assert await closed(socket) == 1001


async def test_status_counts_clients(served: Served) -> None:
    async with served.connect() as socket, httpx.AsyncClient(base_url=served.http) as client:
        await say(socket, "subscribe", pvNames=["M:0", "ca://M:0"])
        await said(socket, "initial")
        status = (await client.get("/v1/ws/status", headers={"X-API-Key": "reader"})).json()
        assert (status["active_connections"], status["total_subscriptions"]) == (1, 2)
        assert status["unique_pvs_subscribed"] == 1
        assert (await client.get("/v1/ws/status")).status_code == 401
    await served.until_nobody_is_there()


async def test_the_other_name_of_the_socket(served: Served) -> None:
    url = served.url.replace("/pvs", "/live")
    async with connecting(url, additional_headers={"X-API-Key": "reader"}) as socket:
        await say(socket, "ping")
        await said(socket, "pong")
