"""The machine: bulk reads and writes, single operations and monitors, over Channel Access and PVAccess."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

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
from backend.src.infra.epics.frame import Frame, PvValue, ValueType
from backend.src.infra.epics.image_monitor import ImageMonitor
from backend.src.infra.epics.ingest import Ingest
from backend.src.infra.epics.joining import Places, joined_changes, joined_frames
from backend.src.infra.epics.outcomes import Changes, Put, PutOutcome, ReadFailed, Reading, reading_of
from backend.src.infra.epics.progress import SharedProgress, until_abort
from backend.src.infra.epics.pva import PvAccess
from backend.src.infra.epics.pva_write import PvaWrite
from backend.src.infra.epics.single import SingleReads, holds_undecodable

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 1.0


class Epics(metaclass=FinalSingleton):
    """Everything that Larder does with process variables."""

    name = "epics"

    def __init__(self, settings: EpicsSettings) -> None:
        self._settings = settings
        self._ca = ChannelAccess()
        self._ingest: Ingest = CtypesIngest(self._ca)
        self._pva = PvAccess(settings)
        self._single = SingleReads()

    async def start(self) -> None:
        """Opens both protocols. Raises StartFailed."""
        export_settings(self._settings)
        self._ca.start()
        self._pva.start()

    async def stop(self) -> None:
        """Closes every channel; harmless when never started."""
        if self._ca.running:
            self._single.close()
        in_time, _ = await asyncio.gather(
            asyncio.to_thread(self._ca.stop, STOP_TIMEOUT_S), asyncio.to_thread(self._pva.stop)
        )
        if not in_time:
            log.warning("Channel Access did not close within %g s; it goes on by itself", STOP_TIMEOUT_S)

    async def ping(self) -> None:
        """Raises Unavailable when the Channel Access thread has ended."""
        if not self._ca.running:
            raise Unavailable("the Channel Access thread does not run", remedy="start Larder again; its log tells why")

    def describe(self) -> dict[str, Any]:
        """For health: what the ingest is made of, libca's version, channels open, connected and monitored."""
        channels = self._ca.channels
        return {
            "ingest": self._ingest.kind,
            "libca": libca.version(),
            "channels": len(channels) + len(self._pva),
            "connected": channels.connected + self._pva.connected,
            "monitored": len(self._ingest) + len(self._pva),
        }

    @property
    def coalesced(self) -> int:
        """Updates since the start that a later one replaced before a drain, as far as they reached this process."""
        return self._ingest.coalesced + self._pva.coalesced

    async def read(self, addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame:
        """Reads all afresh, metadata included, aligned with the addresses. An absent PV is a row of type NONE."""
        places = _places(address.protocol for address in addresses)
        names = {protocol: [addresses[at].name for at in found] for protocol, found in places.items()}
        ca, pva = await asyncio.gather(
            self._read_ca(names[Protocol.CA], timeout_s), self._pva.read(names[Protocol.PVA], timeout_s)
        )
        return joined_frames(len(addresses), [(places[Protocol.CA], ca), (places[Protocol.PVA], pva)])

    async def _read_ca(self, names: Sequence[str], timeout_s: float) -> Frame:
        frame: Frame = await self._ca.run(lambda report: BulkRead(self._ca, names, timeout_s, report))
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
        """Writes all, each with its outcome, aligned with the puts. timeout_s: to connect, and to complete a put
        without its own time-out. progress is called in this event loop with how many have ended."""
        places = _places(put.address.protocol for put in puts)
        ca, pva = ([puts[at] for at in places[protocol]] for protocol in (Protocol.CA, Protocol.PVA))
        shared = SharedProgress(progress)
        abort = abort or asyncio.Event()
        pva_write = PvaWrite(self._pva, pva, timeout_s, wait=wait, progress=shared.part())
        done = await asyncio.gather(
            self._write_ca(ca, timeout_s, wait=wait, progress=shared.part(), abort=abort), pva_write.run(abort)
        )
        outcomes: dict[int, PutOutcome] = {}
        for protocol, part in zip((Protocol.CA, Protocol.PVA), done, strict=True):
            outcomes.update(zip(places[protocol].tolist(), part, strict=True))
        return [outcomes[at] for at in range(len(puts))]

    async def _write_ca(
        self,
        puts: Sequence[Put],
        timeout_s: float,
        *,
        wait: bool,
        progress: Callable[[int], None],
        abort: asyncio.Event,
    ) -> list[PutOutcome]:
        if not puts:
            return []
        made: list[BulkWrite] = []

        def make(report: Callable[[Any], None]) -> BulkWrite:
            made.append(BulkWrite(self._ca, puts, timeout_s, report, wait=wait, progress=progress))
            return made[0]

        return await until_abort(self._ca.run(make), abort, lambda: self._ca.post(made[0].abort))

    async def read_one(self, address: PvAddress, *, timeout_s: float) -> Reading | ReadFailed:
        """One PV, read directly and independently of the monitors."""
        if address.protocol is Protocol.CA:
            reading = await self._single.read(address, timeout_s)
            if not holds_undecodable(reading):
                return reading
        return reading_of(address, await self.read([address], timeout_s=timeout_s))

    async def write_one(
        self,
        address: PvAddress,
        value: PvValue,
        *,
        wait: bool,
        timeout_s: float,
        completion_timeout_s: float | None = None,
    ) -> PutOutcome:
        """One put. An enum takes its index or its label, a number also its text. timeout_s: to connect, and to
        complete the put without completion_timeout_s."""
        kind = ValueType.STRING if isinstance(value, str) else ValueType.NONE
        put = Put(address, value, kind, completion_timeout_s)
        return (await self.write([put], timeout_s=timeout_s, wait=wait))[0]

    def monitor(self, add: Sequence[tuple[int, PvAddress]], remove: Sequence[int]) -> None:
        """Watches (slot, address) pairs and stops watching slots, removals first; thread-safe, returns at once."""
        ca = [(slot, address.name) for slot, address in add if address.protocol is Protocol.CA]
        pva = [(slot, address.name) for slot, address in add if address.protocol is Protocol.PVA]
        self._ingest.monitor(ca, remove)
        self._pva.monitor(pva, remove)

    def image_monitor(self, name: str, notify: Callable[[], None], *, most_bytes: int) -> ImageMonitor:
        """Watches an NTNDArray over PVAccess; `notify` is called on another thread. Close it when done.

        Raises Unavailable. Frames of more than most_bytes are bad ones.
        """
        return self._pva.image_monitor(name, notify, most_bytes)

    def resubscribe(self, slots: Sequence[int]) -> None:
        """Makes the subscriptions of these slots anew: each delivers its present value again."""
        self._ingest.resubscribe(slots)
        self._pva.resubscribe(slots)

    def drain(self) -> Changes:
        """Everything that changed since the last drain, the latest of each slot; never blocks."""
        return joined_changes(self._ingest.drain(), self._pva.drain())


def _places(protocols: Any) -> dict[Protocol, Places]:
    listed = list(protocols)
    return {
        wanted: np.array([at for at, protocol in enumerate(listed) if protocol is wanted], np.int64)
        for wanted in Protocol
    }
