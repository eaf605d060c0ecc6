"""The runs of this process: begun, kept alive, ended, recorded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from backend.src.core.clock import Clock
from backend.src.core.errors import LarderError, Unavailable
from backend.src.core.log_context import CRON, acting_for
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.accounts.principal import Principal, PrincipalKind
from backend.src.services.audit import Audit, AuditEntry
from backend.src.services.crons import cron_rows
from backend.src.services.crons.background_tasks import Task
from backend.src.services.crons.cron import CronStatus, Ended

log = logging.getLogger(__name__)

END_ATTEMPTS = 5
END_PAUSE_S = 0.2
STOPPED = "the process was stopped"


class Runs:
    """What this process runs at this moment. The audit trail hears of what a task did, not of its having looked."""

    def __init__(self, sql: SQL, audit: Audit, clock: Clock, supervisor: Supervisor, runner: str) -> None:
        self._sql = sql
        self._audit = audit
        self._clock = clock
        self._supervisor = supervisor
        self._runner = runner
        self._tasks: dict[str, Task] = {}
        self._last_beat = clock.monotonic()

    @property
    def names(self) -> frozenset[str]:
        """What runs here."""
        return frozenset(self._tasks)

    @property
    def silent_s(self) -> float:
        """How long ago others last saw that they live; 0 when nothing runs."""
        return self._clock.monotonic() - self._last_beat if self._tasks else 0.0

    def begin(self, task: Task, ended: Callable[[], None]) -> None:
        """Runs a task that this process claimed; calls `ended` when its end is recorded."""
        if not self._tasks:
            self._last_beat = self._clock.monotonic()
        self._tasks[task.name] = task

        async def run_and_tell() -> None:
            try:
                with acting_for(CRON, task.name):
                    await self._run(task)
            finally:
                self._tasks.pop(task.name, None)
                ended()

        self._supervisor.start_task(_loop_name(task.name), run_and_tell)

    async def beat_once(self) -> None:
        """Shows that the runs live; one that was given up as dead is cancelled, because another process has it now."""
        names = self.names
        if not names:
            return
        now = self._clock.now()
        mine = await self._sql.write(lambda connection: cron_rows.beat(connection, self._runner, names, now))
        self._last_beat = self._clock.monotonic()
        for name in (names & self.names) - mine:
            log.error("cron %s is no longer this process's; it is cancelled here", name)
            await self._cancel(name)

    async def cancel_all(self) -> None:
        """Ends every run here and records that it was interrupted."""
        await asyncio.gather(*map(self._cancel, self.names))

    async def _cancel(self, name: str) -> None:
        await self._supervisor.stop(_loop_name(name))
        task = self._tasks.pop(name, None)
        if task is not None:  # it was cancelled before its first step, and could record nothing itself
            await self._end(task, Ended(CronStatus.INTERRUPTED, STOPPED, self._clock.now(), 0.0))

    async def _run(self, task: Task) -> None:
        began = self._clock.monotonic()
        status, result = CronStatus.INTERRUPTED, STOPPED
        log.debug("cron %s begins", task.name)
        try:
            status, result = CronStatus.OK, await task.run()
        except Exception as error:  # noqa: BLE001 - the background border
            status, result = CronStatus.FAILED, _tell(task, error)
        finally:
            duration_s = self._clock.monotonic() - began
            await self._end(task, Ended(status, result, self._clock.now(), duration_s))

    async def _end(self, task: Task, ended: Ended) -> None:
        """Shielded, so that a stop does not leave it unrecorded; when SQL stays away, others find it dead in time."""
        if ended.status is CronStatus.OK and ended.result:
            log.info("cron %s: %s (%.1f s)", task.name, ended.result, ended.duration_s)
        for attempt in range(END_ATTEMPTS):
            try:
                await self._record(task, ended)
                return
            except Unavailable as away:
                log.error("cron %s: its end could not be recorded: %s", task.name, away)
                await asyncio.sleep(END_PAUSE_S * 2**attempt)

    async def _record(self, task: Task, ended: Ended) -> None:
        await self._sql.write(lambda connection: cron_rows.end(connection, task.name, self._runner, ended))
        if task.audited and ended.status is CronStatus.OK and ended.result:
            actor = Principal(PrincipalKind.CRON, task.name, f"cron {task.name}", frozenset())
            await self._audit.note(AuditEntry("cron run", actor, task.name, {"result": ended.result}))


def _tell(task: Task, error: Exception) -> str:
    if isinstance(error, LarderError):  # it names its cause
        log.error("cron %s failed: %s", task.name, error)
        return error.message if error.remedy is None else f"{error.message}: {error.remedy}"
    log.exception("cron %s failed", task.name)
    return f"{type(error).__name__}: {error}"


def _loop_name(name: str) -> str:
    return f"cron {name}"
