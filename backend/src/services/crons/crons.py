"""Crons: what runs by itself, in one process at a time. docs/adr/0015 says why the row in SQL decides."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from backend.src.config.settings import JobSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Conflict, Unavailable
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.audit import Audit
from backend.src.services.crons import cron_rows
from backend.src.services.crons.background_tasks import BackgroundTasks, Task
from backend.src.services.crons.cron import Cron, CronStatus, Ended
from backend.src.services.crons.next_run import next_run
from backend.src.services.crons.runs import Runs
from backend.src.services.crons.timetable import Timetable
from backend.src.services.jobs.silence import Silence
from backend.src.services.jobs.worker_identity import WorkerIdentity

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0  # for what another process changed: paused, asked for, died
BEAT_PART = 0.15  # of dead_after_s: what one sign of life may take
FENCE_PART = 2 / 3  # of dead_after_s: then what runs here ends, before another may begin it
LOOK, BEAT = "crons: look", "crons: signs of life"
DIED = "its process died"


@dataclass(frozen=True, slots=True)
class CronState:
    """A task and its row; the row of one that no process has seen yet is empty."""

    task: Task
    cron: Cron


class Crons:
    """Runs the tasks that are due and that this process may run. runs_here: False to list and steer them only."""

    def __init__(
        self,
        tasks: BackgroundTasks,
        sql: SQL,
        audit: Audit,
        clock: Clock,
        supervisor: Supervisor,
        settings: JobSettings,
        *,
        runs_here: bool = True,
        identity: WorkerIdentity | None = None,
    ) -> None:
        identity = identity or WorkerIdentity.own()
        self._alone = sql.dialect == "sqlite"  # its folder is locked by the one server that uses it
        self._tasks = tasks
        self._sql = sql
        self._clock = clock
        self._supervisor = supervisor
        self._settings = settings
        self._runs_here = runs_here
        self._runner = str(identity)
        self._runs = Runs(sql, audit, clock, supervisor, self._runner)
        self._silence = Silence(clock, identity, dead_after_s=settings.dead_after_s, alone=self._alone)
        self._wake = asyncio.Event()
        self._timetable = Timetable(self._wake.set)
        self._rows: dict[str, Cron] = {}
        self._looking = asyncio.Lock()
        self._stopping = False

    async def start(self) -> None:
        """Begins to look for what is due; a run that was missed while nobody ran happens now, once."""
        self._stopping = False
        if self._runs_here:
            await self._timetable.start()
            self._supervisor.start_loop(BEAT, self._beat_for_ever)
            self._supervisor.start_loop(LOOK, self._look_for_ever)

    async def stop(self) -> None:
        """Interrupts what runs here: another process, or the next start, does it again."""
        self._stopping = True
        async with self._looking:  # a claim under way becomes a run, which ends like the others
            await self._supervisor.stop(LOOK)
        await self._runs.cancel_all()
        await self._supervisor.stop(BEAT)
        await self._timetable.stop()

    async def ping(self) -> None:
        """Raises Unavailable when what runs here has shown no sign of life for too long."""
        if self._runs.silent_s > self._settings.dead_after_s:
            raise Unavailable(f"no sign of life of crons could be written for {self._runs.silent_s:.0f} s")

    def comes(self, name: str) -> bool:
        """Whether this process would run it by itself: it is not off, and was not paused when last looked at."""
        row = self._rows.get(name)
        scheduled = name in self._tasks and not self._tasks.get(name).schedule.off
        return self._runs_here and scheduled and not (row is not None and row.paused)

    # ---- for administrators ----

    async def states(self) -> list[CronState]:
        """Every task, in the order of the table."""
        rows = await self._sql.read(cron_rows.all_crons)
        return [CronState(task, rows.get(task.name) or Cron(task.name)) for task in self._tasks]

    async def pause(self, name: str, by: str) -> CronState:
        """It does not begin by itself any more; a run under way goes on. Raises CronNotFound."""
        await self._ensure(self._tasks.get(name))
        await self._sql.write(lambda connection: cron_rows.pause(connection, name, by))
        return await self._told(name)

    async def resume(self, name: str, by: str) -> CronState:
        """It begins by itself again; what it missed while paused it does not make up for. Raises CronNotFound."""
        task = self._tasks.get(name)
        await self._ensure(task)
        due_at = next_run(task.schedule, self._clock.now())
        await self._sql.write(lambda connection: cron_rows.resume(connection, name, due_at, by))
        return await self._told(name)

    async def run_now(self, name: str, by: str) -> CronState:
        """Asks for a run, paused or off or not, which begins within seconds. Raises CronNotFound."""
        await self._ensure(self._tasks.get(name))
        await self._sql.write(lambda connection: cron_rows.request(connection, name, by))
        return await self._told(name)

    async def _told(self, name: str) -> CronState:
        self._wake.set()
        row = await self._sql.read(lambda connection: cron_rows.get_cron(connection, name))
        return CronState(self._tasks.get(name), row or Cron(name))

    # ---- running ----

    async def look_once(self) -> int:
        """Gives up dead runs and begins what is due; returns how many runs began here."""
        async with self._looking:
            rows = await self._sql.read(cron_rows.all_crons)
            first = not self._rows
            self._rows = {task.name: rows.get(task.name) or await self._ensure(task) for task in self._tasks}
            if first:
                await self._adopt_schedules()
            await self._give_up_dead()
            return await self._begin_wanted()

    async def _ensure(self, task: Task) -> Cron:
        """The task's row, made now when there is none."""
        row = await self._row(task.name)
        if row is not None:
            return row
        text, due_at = task.schedule.text, next_run(task.schedule, self._clock.now())
        with suppress(Conflict):  # another process was first
            await self._sql.write(lambda connection: cron_rows.add(connection, task.name, text, due_at))
        return await self._row(task.name) or Cron(task.name)

    async def _adopt_schedules(self) -> None:
        """Once a start: two processes of different configuration would otherwise change the rows to and fro."""
        now = self._clock.now()
        for name, row in self._rows.items():
            schedule = self._tasks.get(name).schedule
            if row.schedule != schedule.text:
                missed = row.due_at is not None and row.due_at <= now and not schedule.off
                due_at = row.due_at if missed else next_run(schedule, now)
                await self._sql.write(partial(cron_rows.reschedule, seen=row, schedule=schedule.text, due_at=due_at))
                self._rows[name] = await self._row(name) or row

    async def _row(self, name: str) -> Cron | None:
        return await self._sql.read(lambda connection: cron_rows.get_cron(connection, name))

    async def _begin_wanted(self) -> int:
        now, began = self._clock.now(), 0
        for task in self._tasks:
            if not self._stopping and self._rows[task.name].wants_to_run(now) and task.may_run():
                began += await self._begin(task, now)
        return began

    async def _begin(self, task: Task, now: datetime) -> bool:
        """False when another process was quicker."""
        row = self._rows[task.name]
        due = row.due_at is not None and row.due_at <= now
        due_at = next_run(task.schedule, now) if due else row.due_at
        claim = partial(cron_rows.claim, seen=row, runner=self._runner, now=now, due_at=due_at)
        claimed = await self._sql.write(claim)
        if claimed:
            self._rows[task.name] = replace(row, runner=self._runner, due_at=due_at)
            self._runs.begin(task, self._wake.set)
        return claimed

    async def _give_up_dead(self) -> None:
        rows = self._rows.values()
        suspects = [row for row in rows if row.runner is not None and row.name not in self._runs.names]
        self._silence.watch([row.name for row in suspects])
        for row in suspects:
            if self._silence.is_dead(row.name, row.runner or "", row.heartbeat_at):
                await self._give_up(row)

    async def _give_up(self, row: Cron) -> None:
        now = self._clock.now()
        lasted_s = 0.0 if row.last_started_at is None else max(0.0, (now - row.last_started_at).total_seconds())
        ended = Ended(CronStatus.DIED, DIED, now, lasted_s)
        if await self._sql.write(lambda connection: cron_rows.give_up(connection, row, ended)):
            log.warning("cron %s: the process that ran it died: %s", row.name, row.runner)
            self._wake.set()

    def _set_alarms(self) -> None:
        """Only of moments to come: what is due and did not begin waits for a process that may run it."""
        now = self._clock.now()
        due = ((row.name, row.due_at) for row in self._rows.values() if not row.paused)
        self._timetable.set([(name, moment) for name, moment in due if moment is not None and moment > now])

    async def _look_for_ever(self) -> None:
        while True:
            self._wake.clear()
            await self.look_once()
            self._set_alarms()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()

    async def _beat_for_ever(self) -> None:
        longest_s = None if self._alone else self._settings.dead_after_s * BEAT_PART
        while True:
            try:
                async with asyncio.timeout(longest_s):
                    await self._runs.beat_once()
            except TimeoutError as exc:  # a database that hangs is as far away as one that refuses
                await self._fence()
                raise Unavailable("no sign of life of crons could be written: the database does not answer") from exc
            except Unavailable:
                await self._fence()
                raise
            await asyncio.sleep(self._settings.heartbeat_s)

    async def _fence(self) -> None:
        """Out of touch for so long that others begin these anew: what runs here ends before."""
        if not self._alone and self._runs.silent_s > self._settings.dead_after_s * FENCE_PART:
            await self._runs.cancel_all()
