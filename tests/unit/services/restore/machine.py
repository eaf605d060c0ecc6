"""A machine to restore: channels that take puts, some of them unwillingly, and Larder's restores over it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from backend.src.config.settings import JobSettings
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import Frame
from backend.src.infra.epics.outcomes import Put, PutOutcome, PutResult
from backend.src.services.catalog import Inventory, Selection
from backend.src.services.jobs import Job, Jobs
from backend.src.services.restore import Outcomes, RestoreOptions, RestoreRequest, Restores, RestoreSettings
from backend.src.services.restore.models import RESULTS
from backend.src.services.snapshots import SnapshotCreation
from tests.unit.services.snapshots.captures import NEVER, Channel, frame_of
from tests.unit.services.snapshots.stand import Stand, stand_of


class WritableMachine:
    """Channels by address. `puts` remembers every put; `refusals` answer instead of a channel; `hold` delays writes.

    held: whether a write waits for `hold`.
    """

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.puts: list[Put] = []
        self.reads: list[list[str]] = []
        self.refusals: dict[str, PutResult] = {}
        self.distort: dict[str, Callable[[Any], Any]] = {}
        self.late: dict[str, Channel] = {}  # a value that is there only at the second look
        self.back: dict[str, Channel] = {}  # channels that return after the next read
        self.hold: asyncio.Event | None = None
        self.held = asyncio.Event()

    async def read(self, addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame:
        names = [str(address) for address in addresses]
        self.reads.append(names)
        frame = frame_of([self.channels.get(name, NEVER) for name in names])
        for name in names:
            if name in self.late and self.puts:
                self.channels[name] = self.late.pop(name)
            if name in self.back:
                self.channels[name] = self.back.pop(name)
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
        if self.hold is not None:
            self.held.set()
            await self.hold.wait()
        outcomes = []
        for number, put in enumerate(puts):
            aborted = abort is not None and abort.is_set()
            outcomes.append(PutOutcome(PutResult.ABORTED, "not sent") if aborted else self._put(put))
            if progress is not None:
                progress(number + 1)
        return outcomes

    def _put(self, put: Put) -> PutOutcome:
        name = str(put.address)
        if name in self.refusals:
            return PutOutcome(self.refusals[name], "refused")
        self.puts.append(put)
        value = self.distort.get(name, lambda value: value)(put.value)
        if name not in self.late:
            self.channels[name] = replace(self.channels[name], value=value)
        return PutOutcome(PutResult.OK)


class NoTable:
    """A live table that nobody looks at."""

    async def settle(self, slots: object, seen: object) -> None: ...


class NoPubSub:
    """SQLite needs none."""


@dataclass
class Site:
    """Snapshots and restores of one machine."""

    stand: Stand
    machine: Any
    jobs: Jobs
    restores: Restores

    async def save(self, **channels: Channel) -> str:
        """The machine gets these channels (A="ca://A"), and a snapshot of all of it."""
        self.machine.channels |= {f"ca://{name}": channel for name, channel in channels.items()}
        made = await self.stand.take("good", use_cache=False)
        return str(made.id)

    def move(self, **values: Any) -> None:
        """Other values than were saved."""
        for name, value in values.items():
            address = f"ca://{name}"
            self.machine.channels[address] = replace(self.machine.channels[address], value=value)

    async def restore(self, snapshot_id: str, **options: Any) -> tuple[Job, Outcomes]:
        """One restore to its end."""
        job = await self.restores.restore(snapshot_id, request(**options), "operator")
        return await self.ended(job)

    async def ended(self, job: Job) -> tuple[Job, Outcomes]:
        job = await self.jobs.wait(job.id, timeout_s=30)
        return await self.restores.outcomes(job.id)

    @property
    def written(self) -> dict[str, Any]:
        """What was put where."""
        return {put.address.name: put.value for put in self.machine.puts}

    def value(self, name: str) -> Any:
        return self.machine.channels[f"ca://{name}"].value


def request(
    pv_ids: tuple[int, ...] | None = None, excluded: tuple[int, ...] = (), pattern: str | None = None, **options: Any
) -> RestoreRequest:
    everything = pv_ids is None and pattern is None
    selection = Selection(pv_ids=pv_ids, pattern=pattern, everything=everything)
    return RestoreRequest(selection, frozenset(excluded), RestoreOptions(**options))


def results(outcomes: Outcomes) -> dict[str, str]:
    """Result by PV name."""
    return {name: RESULTS[code].value for name, code in zip(outcomes.pv_names, outcomes.results.tolist(), strict=True)}


@contextlib.asynccontextmanager
async def site_of(
    folder: Path, inventory: Inventory, machine: Any = None, settings: RestoreSettings | None = None
) -> AsyncIterator[Site]:
    """Everything started; machine: a made-up one unless given."""
    machine = machine or WritableMachine()
    async with stand_of(folder, inventory, machine) as stand:
        jobs = Jobs(stand.sql, NoPubSub(), stand.clock, stand.supervisor, JobSettings(heartbeat_s=0.2))  # type: ignore[arg-type]
        options = settings or RestoreSettings()
        restores = Restores(stand.sql, stand.bucket, stand.snapshots, machine, NoTable(), jobs, stand.clock, options)
        restores.register()
        SnapshotCreation(stand.snapshots, jobs).register()
        await restores.start()
        await jobs.start()
        try:
            yield Site(stand, machine, jobs, restores)
        finally:
            await jobs.stop()
            await restores.stop()
