"""Crons over a real SQLite file, by a clock that the test moves: what is due runs, once, and its end is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from backend.src.config.settings import JobSettings, SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.errors import Unavailable
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.audit import Audit, AuditFilters
from backend.src.services.crons import BackgroundTasks, Cron, CronNotFound, Crons, CronStatus, Schedule, Task, cron_rows
from backend.src.services.crons.cron import Ended
from backend.src.services.jobs.worker_identity import WorkerIdentity
from tests.manual_clock import START, ManualClock
from tests.migrated import migrated

DEAD = WorkerIdentity("elsewhere", "1", 42, "a")


class Works:
    """A task that counts its runs, and ends when it may."""

    def __init__(self) -> None:
        self.runs = 0
        self.result = "removed 3 rows"
        self.error: Exception | None = None
        self.here = True
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def run(self) -> str:
        self.runs += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return self.result


class Bench:
    """Crons of one task, `clean`."""

    def __init__(self, sql: SQL) -> None:
        self.sql, self.clock, self.works = sql, ManualClock(), Works()
        self.supervisor = Supervisor()
        self.audit = Audit(sql, self.clock)
        self.crons = self.process()

    def process(self, schedule: str = "every 15m", identity: WorkerIdentity | None = None) -> Crons:
        """As after a restart, with this schedule in the configuration."""
        parsed = Schedule.parse(schedule)
        task = Task("clean", "cleans", parsed, self.works.run, lambda: self.works.here, audited=True)
        settings = JobSettings(heartbeat_s=2, dead_after_s=15)
        parts = (self.sql, self.audit, self.clock, self.supervisor, settings)
        return Crons(BackgroundTasks([task]), *parts, identity=identity)

    async def look(self) -> None:
        """One look, and what began ends if it may."""
        await self.crons.look_once()
        async with asyncio.timeout(20):
            while self.crons._runs.names and self.works.may_end.is_set():
                await asyncio.sleep(0.001)

    async def pass_time(self, **delta: float) -> None:
        self.clock.advance(timedelta(**delta).total_seconds())
        await self.look()

    async def row(self) -> Cron:
        return (await self.crons.states())[0].cron


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    sql = SQL.build(SqlSettings(), await migrated(tmp_path))
    await sql.start()
    bench = Bench(sql)
    await bench.look()
    yield bench
    bench.works.may_end.set()
    await bench.crons.stop()
    await bench.supervisor.stop()
    await sql.stop()


async def test_what_is_due_runs_and_then_not_until_it_is_due_again(bench: Bench) -> None:
    assert (await bench.row()).due_at == START + timedelta(minutes=15)
    await bench.pass_time(minutes=14.9)
    assert bench.works.runs == 0
    await bench.pass_time(minutes=0.1)
    await bench.look()
    assert bench.works.runs == 1
    assert (await bench.row()).due_at == START + timedelta(minutes=30)


async def test_the_end_is_told(bench: Bench) -> None:
    bench.works.may_end.clear()
    await bench.pass_time(minutes=15)
    running = await bench.row()
    assert (running.runs, running.last_started_at, running.last_ended_at) == (1, bench.clock.now(), None)
    assert running.runner is not None
    bench.clock.advance(2.5)
    bench.works.may_end.set()
    await bench.look()
    row = await bench.row()
    assert (row.last_status, row.last_result, row.last_duration_s) == (CronStatus.OK, "removed 3 rows", 2.5)
    assert (row.runner, row.heartbeat_at, row.last_ended_at) == (None, None, bench.clock.now())


async def test_the_audit_trail_hears_of_what_was_done_and_of_nothing_else(bench: Bench) -> None:
    await bench.pass_time(minutes=15)
    bench.works.result = ""
    await bench.pass_time(minutes=15)
    (entry,) = await bench.audit.entries(AuditFilters(), limit=10)
    assert (entry.actor_kind, entry.actor_id, entry.action, entry.target) == ("cron", "clean", "cron run", "clean")
    assert entry.detail == {"result": "removed 3 rows"}


async def test_a_failure_is_told_and_the_next_run_comes(bench: Bench) -> None:
    bench.works.error = Unavailable("the bucket is away", remedy="start it")
    await bench.pass_time(minutes=15)
    row = await bench.row()
    assert (row.last_status, row.last_result, row.failures) == (CronStatus.FAILED, "the bucket is away: start it", 1)
    bench.works.error = None
    await bench.pass_time(minutes=15)
    assert ((await bench.row()).last_status, bench.works.runs) == (CronStatus.OK, 2)
    assert await bench.audit.entries(AuditFilters(), limit=10) != []


async def test_what_was_missed_happens_once(bench: Bench) -> None:
    bench.clock.advance(timedelta(days=3).total_seconds())
    bench.crons = bench.process()
    for _ in range(3):
        await bench.look()
    assert bench.works.runs == 1
    assert (await bench.row()).due_at == bench.clock.now() + timedelta(minutes=15)


async def test_a_run_under_way_is_not_begun_again_when_it_is_due(bench: Bench) -> None:
    bench.works.may_end.clear()
    await bench.pass_time(minutes=15)
    await bench.pass_time(minutes=15)
    assert bench.works.runs == 1
    bench.works.may_end.set()
    await bench.look()
    await bench.look()
    assert bench.works.runs == 2, "it was due meanwhile"


async def test_a_process_that_may_not_run_it_leaves_it_due(bench: Bench) -> None:
    bench.works.here = False
    await bench.pass_time(minutes=40)
    assert (bench.works.runs, (await bench.row()).due_at) == (0, START + timedelta(minutes=15))
    bench.works.here = True
    await bench.look()
    await bench.look()
    assert bench.works.runs == 1


async def test_what_is_paused_does_not_run_and_makes_up_for_nothing(bench: Bench) -> None:
    state = await bench.crons.pause("clean", "me")
    assert (state.cron.paused, state.cron.modified_by) == (True, "me")
    await bench.pass_time(hours=2)
    assert (bench.works.runs, bench.crons.comes("clean")) == (0, False)
    await bench.crons.resume("clean", "me")
    await bench.look()
    assert (bench.works.runs, bench.crons.comes("clean")) == (0, True)
    await bench.pass_time(minutes=15)
    assert bench.works.runs == 1


async def test_a_run_that_is_asked_for_begins_even_when_paused(bench: Bench) -> None:
    await bench.crons.pause("clean", "me")
    await bench.crons.run_now("clean", "me")
    await bench.look()
    await bench.look()
    assert (bench.works.runs, (await bench.row()).due_at) == (1, START + timedelta(minutes=15))


async def test_off_never_comes_but_may_be_asked_for(bench: Bench) -> None:
    bench.crons = bench.process("off")
    await bench.pass_time(days=400)
    assert (bench.works.runs, (await bench.row()).due_at, bench.crons.comes("clean")) == (0, None, False)
    await bench.crons.run_now("clean", "me")
    await bench.look()
    assert bench.works.runs == 1


async def test_a_changed_schedule_counts_from_the_start(bench: Bench) -> None:
    bench.crons = bench.process("every 1d")
    await bench.look()
    assert (await bench.row()).due_at == START + timedelta(days=1)


async def test_a_changed_schedule_loses_no_missed_run(bench: Bench) -> None:
    bench.clock.advance(3600)
    bench.crons = bench.process("every 1d")
    await bench.look()
    assert (bench.works.runs, (await bench.row()).due_at) == (1, START + timedelta(days=1))


async def test_what_was_cancelled_before_its_first_step_is_not_left_running(bench: Bench) -> None:
    bench.clock.advance(900)
    await bench.crons.look_once()
    await bench.crons._runs._cancel("clean")
    row = await bench.row()
    assert (bench.works.runs, row.last_status, row.runner) == (0, CronStatus.INTERRUPTED, None)
    assert not bench.crons._runs.names


async def test_what_a_stop_interrupted_is_done_by_the_next_start(bench: Bench) -> None:
    bench.works.may_end.clear()
    await bench.pass_time(minutes=15)
    await bench.crons.stop()
    row = await bench.row()
    assert (row.last_status, row.runner, row.requested) == (CronStatus.INTERRUPTED, None, True)
    bench.works.may_end.set()
    bench.crons = bench.process()
    await bench.look()
    await bench.look()
    assert bench.works.runs == 2


async def die(bench: Bench) -> None:
    """A process claims the run and is never heard of again."""
    row = await bench.row()
    due_at = START + timedelta(days=1)
    assert await bench.sql.write(lambda db: cron_rows.claim(db, row, str(DEAD), bench.clock.now(), due_at))


async def test_the_run_of_a_dead_process_is_taken_over(bench: Bench) -> None:
    await die(bench)
    await bench.look()
    assert ((await bench.row()).last_status, bench.works.runs) == (CronStatus.DIED, 0)
    await bench.look()
    row = await bench.row()
    assert (row.last_status, row.failures, bench.works.runs) == (CronStatus.OK, 1, 1)


async def test_what_kills_its_process_is_taken_over_once(bench: Bench) -> None:
    await die(bench)
    await bench.look()  # given up, wanted again
    await die(bench)
    await bench.look()
    await bench.look()
    row = await bench.row()
    assert (bench.works.runs, row.requested, row.failures) == (0, False, 2)


async def test_a_silent_process_is_given_its_time(bench: Bench) -> None:
    bench.crons._silence._alone = False
    await die(bench)
    for _ in range(3):
        await bench.pass_time(seconds=4)
    assert (await bench.row()).runner == str(DEAD)
    await bench.pass_time(seconds=15)
    assert (await bench.row()).runner is None


async def test_a_run_that_was_given_up_is_cancelled_and_records_nothing(bench: Bench) -> None:
    bench.works.may_end.clear()
    await bench.pass_time(minutes=15)
    row = await bench.row()
    taken = replace(row, runner=None)
    await bench.sql.write(lambda db: cron_rows.give_up(db, row, ended()))
    await bench.sql.write(lambda db: cron_rows.claim(db, replace(taken, requested=True), str(DEAD), START, row.due_at))
    await bench.crons._runs.beat_once()
    assert not bench.crons._runs.names
    assert (await bench.row()).runner == str(DEAD)


def ended() -> Ended:
    return Ended(CronStatus.DIED, "died", START, 1.0)


async def test_nobody_steers_what_there_is_not(bench: Bench) -> None:
    for steer in (bench.crons.pause, bench.crons.resume, bench.crons.run_now):
        with pytest.raises(CronNotFound):
            await steer("nothing", "me")


async def test_the_alarm_clock_wakes_at_the_moment(tmp_path: Path, bench: Bench) -> None:
    """APScheduler on the real clock: long before the next look by itself."""
    woken = asyncio.Event()
    table = bench.crons._timetable
    table._wake = woken.set
    await table.start()
    from_now = [("soon", SystemClock().now() + timedelta(seconds=0.1))]
    table.set(from_now)
    async with asyncio.timeout(20):
        await woken.wait()
    woken.clear()
    table.set([("later", SystemClock().now() + timedelta(seconds=0.1))])
    table.set([])
    await asyncio.sleep(0.2)
    assert not woken.is_set()
    await table.stop()


async def test_who_is_out_of_touch_stops_before_others_may_begin(bench: Bench) -> None:
    bench.crons._alone = False
    bench.works.may_end.clear()
    await bench.pass_time(minutes=15)
    bench.clock.advance(9)
    await bench.crons._fence()
    assert bench.crons._runs.names == {"clean"}
    bench.clock.advance(2)
    await bench.crons._fence()
    assert not bench.crons._runs.names
    assert (await bench.row()).last_status is CronStatus.INTERRUPTED


async def test_silence_shows_in_health(bench: Bench) -> None:
    bench.works.may_end.clear()
    await bench.pass_time(minutes=15)
    await bench.crons.ping()
    bench.clock.advance(16)
    with pytest.raises(Unavailable, match="16 s"):
        await bench.crons.ping()
    await bench.crons._runs.beat_once()
    await bench.crons.ping()
