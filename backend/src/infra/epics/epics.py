"""The machine: bulk reads and writes, single operations and monitors, over Channel Access and PVAccess."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from backend.src.config.settings import EpicsSettings
from backend.src.core.errors import Unavailable
from backend.src.core.final_singleton import FinalSingleton
from backend.src.infra.epics import libca
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.epics.ca_monitor import CtypesIngest
from backend.src.infra.epics.ca_read import BulkRead
from backend.src.infra.epics.ca_thread import ChannelAccess
from backend.src.infra.epics.ca_write import BulkWrite
from backend.src.infra.epics.environment import export_settings
from backend.src.infra.epics.frame import Frame
from backend.src.infra.epics.outcomes import Changes, Put, PutOutcome

STOP_TIMEOUT_S = 1.0


class Epics(metaclass=FinalSingleton):
    """Everything that Larder does with process variables."""

    name = "epics"

    def __init__(self, settings: EpicsSettings) -> None:
        self._settings = settings
        self._access = ChannelAccess()
        self._ingest = CtypesIngest(self._access)

    async def start(self) -> None:
        """Opens both protocols. Raises StartFailed."""
        export_settings(self._settings)
        self._access.start()

    async def stop(self) -> None:
        """Closes every channel; harmless when never started."""
        await asyncio.to_thread(self._access.stop, STOP_TIMEOUT_S)

    async def ping(self) -> None:
        """Raises Unavailable when the Channel Access thread has ended."""
        if not self._access.running:
            raise Unavailable(
                "the Channel Access thread does not run", remedy="start Larder again; its log tells the cause"
            )

    def describe(self) -> dict[str, Any]:
        """For health: what the ingest is made of, libca's version, channels open, connected and monitored."""
        channels = self._access.channels
        return {
            "ingest": self._ingest.kind,
            "libca": libca.version(),
            "channels": len(channels),
            "connected": channels.connected,
            "monitored": len(self._ingest),
        }

    async def read(self, addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame:
        """Reads all afresh, metadata included, aligned with the addresses. An absent PV is a row of type NONE."""
        names = [address.name for address in addresses]
        frame: Frame = await self._access.run(lambda report: BulkRead(self._access, names, timeout_s, report))
        return frame

    async def write(
        self,
        puts: Sequence[Put],
        *,
        timeout_s: float,
        wait: bool = True,
        progress: Callable[[int], None] | None = None,
        abort: asyncio.Event | None = None,
    ) -> list[PutOutcome]:
        """Writes all, each with its outcome, aligned with the puts. timeout_s: for those without their own."""
        loop = asyncio.get_running_loop()

        def tell(done: int) -> None:
            if progress is not None and not loop.is_closed():
                loop.call_soon_threadsafe(progress, done)

        made: list[BulkWrite] = []

        def make(report: Callable[[Any], None]) -> BulkWrite:
            made.append(BulkWrite(self._access, puts, timeout_s, report, wait=wait, progress=tell))
            return made[0]

        running = asyncio.ensure_future(self._access.run(make))
        return await _or_abort(running, abort, lambda: self._access.post(made[0].abort))

    def monitor(self, add: Sequence[tuple[int, PvAddress]], remove: Sequence[int]) -> None:
        """Watches (slot, address) pairs and stops watching slots; thread-safe, returns at once."""
        self._ingest.monitor([(slot, address.name) for slot, address in add if address.protocol is Protocol.CA], remove)

    def resubscribe(self, slots: Sequence[int]) -> None:
        """Makes the subscriptions of these slots anew."""
        self._ingest.resubscribe(slots)

    def drain(self) -> Changes:
        """Everything that changed since the last drain, the latest of each slot; never blocks."""
        return self._ingest.drain()


async def _or_abort(
    running: asyncio.Future[list[PutOutcome]], abort: asyncio.Event | None, stop: Callable[[], None]
) -> list[PutOutcome]:
    if abort is None:
        return await running
    watching = asyncio.ensure_future(abort.wait())
    try:
        await asyncio.wait((running, watching), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            stop()
        return await running
    finally:
        watching.cancel()
