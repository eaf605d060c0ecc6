"""Crons over both databases: of those who want a run, one gets it; over MariaDB with processes that are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from backend.src.config.settings import JobSettings, SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.audit import Audit
from backend.src.services.crons import BackgroundTasks, Cron, Crons, CronStatus, Schedule, Task, cron_rows
from backend.src.services.crons.cron import Ended
from tests.contracts.test_jobs import ROOT, _arguments

# no run is begun anew because the machine was busy for a second or two
SETTINGS = JobSettings(heartbeat_s=0.2, dead_after_s=60.0)


async def row(sql: SQL, name: str) -> Cron:
    found = await sql.read(lambda db: cron_rows.get_cron(db, name))
    assert found is not None
    return found


async def test_of_many_claims_of_one_run_one_wins(sql: SQL) -> None:
    now = SystemClock().now()
    await sql.write(lambda db: cron_rows.add(db, "clean", "every 1h", now))
    for hours in (1, 2):
        await one_wins(sql, now, now + timedelta(hours=hours))


async def one_wins(sql: SQL, now: datetime, due_at: datetime) -> None:
    seen, done = await row(sql, "clean"), Ended(CronStatus.OK, "", now, 0.1)
    names = [f"process {number}" for number in range(8)]
    claims = (sql.write(partial(cron_rows.claim, seen=seen, runner=name, now=now, due_at=due_at)) for name in names)
    won = await asyncio.gather(*claims)
    assert won.count(True) == 1
    ends = (sql.write(partial(cron_rows.end, name="clean", runner=name, ended=done)) for name in names)
    assert await asyncio.gather(*ends) == won, "it ends for who runs it alone"
    assert not await sql.write(lambda db: cron_rows.claim(db, seen, "late", now, due_at)), "an old look"


async def test_a_pause_and_a_claim_at_once_do_not_both_happen_unseen(sql: SQL) -> None:
    now = SystemClock().now()
    await sql.write(lambda db: cron_rows.add(db, "clean", "every 1h", now))
    seen = await row(sql, "clean")
    await sql.write(lambda db: cron_rows.pause(db, "clean", "me"))
    assert not await sql.write(lambda db: cron_rows.claim(db, seen, "process", now, now))


async def test_four_that_look_at_once_run_what_is_due_once(sql: SQL) -> None:
    """As four processes would, at every second."""
    if sql.dialect == "sqlite":
        pytest.skip("SQLite has one process")
    runs: list[float] = []

    async def count() -> str:
        runs.append(time.time())
        await asyncio.sleep(0.05)
        return "counted"

    task = Task("count", "counts", Schedule.parse("every 1s"), count)
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(running(sql, task))
        await until(lambda: len(runs) >= 3)
    once_a_second(runs)


def once_a_second(runs: list[float], *, again: int = 0) -> None:
    """One run may be late, and then lie in the same second as the next; `again`: runs that a killed process leaves."""
    assert 2 <= len(runs) <= int(runs[-1]) - int(runs[0]) + 2 + again, runs


@asynccontextmanager
async def running(sql: SQL, *tasks: Task) -> AsyncIterator[Crons]:
    clock, supervisor = SystemClock(), Supervisor()
    crons = Crons(BackgroundTasks(tasks), sql, Audit(sql, clock), clock, supervisor, SETTINGS)
    await crons.start()
    try:
        yield crons
    finally:
        await crons.stop()
        assert supervisor.running() == ()


PROCESS = """
import asyncio, os, sys, time
from pathlib import Path
from backend.src.config.settings import JobSettings, Secret, SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.audit import Audit
from backend.src.services.crons import BackgroundTasks, Crons, Schedule, Task

def note(line):
    with open(sys.argv[1], "a") as notes:
        notes.write(line + "\\n")

async def count():
    note(f"count {time.time()}")
    return "counted"

async def daily():
    note(f"daily {os.getpid()}")
    return "done"

async def sleep():
    note(f"sleep {os.getpid()}")
    await asyncio.sleep(600)
    return "slept"

async def main(settings):
    sql, clock = SQL.build(settings, Path(".")), SystemClock()
    await sql.start()
    runs = {"count": ("every 1s", count), "daily": ("every 24h", daily), "sleep": ("off", sleep)}
    tasks = BackgroundTasks(Task(name, name, Schedule.parse(when), run) for name, (when, run) in runs.items())
    crons = Crons(tasks, sql, Audit(sql, clock), clock, Supervisor(), JobSettings(heartbeat_s=60, dead_after_s=600))
    await crons.start()
    note("ready")
    await asyncio.sleep(600)
"""


async def until(condition: Callable[[], bool], timeout_s: float = 40.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


async def test_two_processes_run_each_due_time_once_and_one_that_is_killed_is_replaced(
    sql: SQL, sql_settings: SqlSettings, tmp_path: Path
) -> None:
    """Also: what was missed while neither ran happens once."""
    if sql.dialect == "sqlite":
        pytest.skip("SQLite has one process")
    file = tmp_path / "notes"
    file.touch()
    began = SystemClock().now()
    missed = began - timedelta(days=2)
    await sql.write(lambda db: cron_rows.add(db, "daily", "every 24h", missed))

    def notes(what: str) -> list[str]:
        return [line.removeprefix(f"{what} ") for line in file.read_text().splitlines() if line.startswith(what)]

    command = (
        sys.executable,
        "-c",
        f"{PROCESS}\nasyncio.run(main(SqlSettings({_arguments(sql_settings)})))",
        str(file),
    )
    processes = [await asyncio.create_subprocess_exec(*command, cwd=ROOT) for _ in range(2)]
    try:
        await until(lambda: len(notes("ready")) == 2)
        async with asyncio.timeout(40):
            while await sql.read(lambda db: cron_rows.get_cron(db, "sleep")) is None:  # made by their first look
                await asyncio.sleep(0.02)
            # until it is written down that the daily one ran: in a process that is killed before, it would run again
            while (await row(sql, "daily")).last_ended_at is None:
                await asyncio.sleep(0.02)
        await sql.write(lambda db: cron_rows.request(db, "sleep", "me"))
        await until(lambda: len(notes("sleep")) == 1)
        os.kill(int(notes("sleep")[0]), signal.SIGKILL)
        # its process is known to be gone: nobody waits for its silence, which would be much longer
        await until(lambda: len(notes("sleep")) == 2)
        assert len(set(notes("sleep"))) == 2
        await until(lambda: len(notes("count")) >= 4)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
    ended = SystemClock().now()
    midnights = (ended.date() - began.date()).days  # hardly ever one: then a run of its own may have come
    assert 1 <= len(notes("daily")) <= 1 + midnights
    assert (await row(sql, "daily")).due_at in {next_day(began), next_day(ended)}
    once_a_second([float(moment) for moment in notes("count")], again=1)
    assert (await row(sql, "sleep")).failures == 1


def next_day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
