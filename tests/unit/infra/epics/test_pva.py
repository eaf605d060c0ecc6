"""What PVAccess does when a subscription cannot be made, and when a write is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from p4p import Value
from p4p.nt import NTScalar

from backend.src.config.settings import EpicsSettings
from backend.src.core.errors import Unavailable
from backend.src.infra.epics import Protocol, Put, PvAddress
from backend.src.infra.epics.frame import ValueType
from backend.src.infra.epics.pva import READERS, PvAccess
from backend.src.infra.epics.pva_write import PvaWrite


class Closable:
    """A subscription, or a put under way."""

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Network:
    """A p4p context in which one name is refused."""

    def __init__(self) -> None:
        self.subscriptions: dict[str, Closable] = {}
        self.puts: list[Closable] = []
        self.asked = threading.Event()

    def monitor(self, name: str, handler: Callable[[], None]) -> Closable:
        if name == "REFUSED":
            raise RuntimeError("no such thing")
        if name == "LAST":
            self.asked.set()
        return self.subscriptions.setdefault(name, Closable())

    def get(self, name: str, done: Callable[[Any], None]) -> Closable:
        if name != "SILENT":
            done(object() if name == "ODD" else Value(NTScalar("d").type, {"value": 2.5}))
        return Closable()

    def put(self, name: str, done: Any, **options: Any) -> Closable:
        self.puts.append(Closable())
        return self.puts[-1]

    def close(self) -> None:
        self.asked.clear()


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def access(network: Network) -> PvAccess:
    made = PvAccess(EpicsSettings())
    made._context = network
    return made


def test_a_name_that_is_refused_keeps_no_other_waiting(access: PvAccess, network: Network) -> None:
    access.start()
    access.monitor([(1, "REFUSED"), (2, "GOOD")], [])
    access.monitor([], [1])
    access.resubscribe([1, 2])
    access.monitor([(3, "LAST")], [])
    assert network.asked.wait(60)
    access.stop()
    assert set(network.subscriptions) == {"GOOD", "LAST"}
    assert all(subscription.closed for subscription in network.subscriptions.values())


async def test_an_answer_that_nobody_understands_spoils_no_other(access: PvAccess) -> None:
    access.start()
    frame = await access.read(["ODD", "GOOD"], 1.0)
    access.stop()
    assert (frame.value(0), frame.value(1)) == (None, 2.5)


async def test_a_stop_tells_every_read(access: PvAccess) -> None:
    """One that no thread had begun was cancelled, and with it whoever waited for it."""
    access.start()
    reads = [asyncio.ensure_future(access.read(["SILENT"], 60.0)) for _ in range(READERS + 2)]
    while len(access._waiting) < READERS:
        await asyncio.sleep(0.001)
    await asyncio.to_thread(access.stop)
    begun, waiting = reads[:READERS], reads[READERS:]
    for read in begun:
        assert not (await read).connected.any()
    assert all(isinstance(error, Unavailable) for error in await asyncio.gather(*waiting, return_exceptions=True))
    with pytest.raises(Unavailable):
        await access.read(["GOOD"], 1.0)


async def test_a_cancelled_write_gives_up_what_is_under_way(access: PvAccess, network: Network) -> None:
    access._running = True
    puts = [Put(PvAddress(Protocol.PVA, f"X{number}"), 1.0, ValueType.DOUBLE) for number in range(3)]
    write = PvaWrite(access, puts, 60.0, wait=True, progress=lambda done: None)
    running = asyncio.ensure_future(write.run(asyncio.Event()))
    while len(network.puts) < 3:
        await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(put.closed for put in network.puts)
