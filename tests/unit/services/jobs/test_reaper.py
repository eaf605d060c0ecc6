"""A job whose worker died is never left running; one whose worker lives is left alone."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from backend.src.config.settings import JobSettings
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.jobs import JobContext, Jobs, JobStatus, job_rows
from backend.src.services.jobs.reaper import Reaper
from backend.src.services.jobs.worker_identity import WorkerIdentity
from tests.manual_clock import ManualClock
from tests.unit.services.jobs.conftest import NoPubSub

OTHER = WorkerIdentity("elsewhere", "1", 42, "a")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def running(sql: SQL, clock: ManualClock) -> AsyncIterator[str]:
    """A job that the worker OTHER claimed."""
    job_id = "a" * 16
    row = {"id": job_id, "type": "restore", "data": {}, "actor": "me", "created_at": clock.now()}
    await sql.write(lambda c: job_rows.insert_job(c, row))
    await sql.write(lambda c: job_rows.claim_next(c, str(OTHER), {"restore": None}, clock.now()))
    yield job_id


async def status(sql: SQL, job_id: str) -> JobStatus:
    return (await sql.read(lambda c: job_rows.get_job(c, job_id))).status


def reaper(sql: SQL, clock: ManualClock, *, alone: bool) -> Reaper:
    return Reaper(sql, clock, WorkerIdentity.own(), dead_after_s=15, alone=alone)


async def test_alone_every_foreign_job_is_dead_at_once(sql: SQL, clock: ManualClock, running: str) -> None:
    assert await reaper(sql, clock, alone=True).check_once((), {}) == [running]
    assert await status(sql, running) is JobStatus.FAILED


async def test_a_silent_worker_is_given_its_time(sql: SQL, clock: ManualClock, running: str) -> None:
    watcher = reaper(sql, clock, alone=False)
    for _ in range(3):
        assert await watcher.check_once((), {}) == []
        clock.advance(5)
    assert await watcher.check_once((), {}) == [running]
    assert await status(sql, running) is JobStatus.FAILED


async def test_a_worker_with_a_wrong_clock_lives(sql: SQL, clock: ManualClock, running: str) -> None:
    """Its signs of life are an hour old by our clock, but they come."""
    behind = ManualClock()
    watcher = reaper(sql, clock, alone=False)
    clock.advance(3600)
    for _ in range(10):
        behind.advance(5)
        clock.advance(5)
        await sql.write(lambda c: job_rows.beat(c, str(OTHER), [running], behind.now()))
        assert await watcher.check_once((), {}) == []
    assert await status(sql, running) is JobStatus.RUNNING


async def test_a_sign_of_life_at_the_last_moment_counts(sql: SQL, clock: ManualClock, running: str) -> None:
    _, worker, seen = (await sql.read(job_rows.running_jobs))[0]
    clock.advance(60)
    await sql.write(lambda c: job_rows.beat(c, worker, [running], clock.now()))
    assert not await sql.write(lambda c: job_rows.fail_dead(c, running, worker, seen, clock.now(), "dead"))
    assert await status(sql, running) is JobStatus.RUNNING


async def test_a_job_claimed_this_moment_is_not_taken_for_a_dead_one(sql: SQL, clock: ManualClock) -> None:
    """It is in SQL already, and not yet among those that run here."""
    identity = WorkerIdentity.own()
    row = {"id": "b" * 16, "type": "restore", "data": {}, "actor": "me", "created_at": clock.now()}
    await sql.write(lambda c: job_rows.insert_job(c, row))
    await sql.write(lambda c: job_rows.claim_next(c, str(identity), {"restore": None}, clock.now()))
    own = Reaper(sql, clock, identity, dead_after_s=15, alone=True)
    assert await own.check_once((), {}) == []
    clock.advance(15)
    assert await own.check_once((), {}) == [row["id"]]  # it never began: the claim was lost on the way


async def test_ones_own_jobs_are_left_alone(sql: SQL, clock: ManualClock, running: str) -> None:
    assert await reaper(sql, clock, alone=True).check_once([running], {}) == []


def test_a_killed_process_of_this_host_is_known_dead() -> None:
    here = WorkerIdentity.own()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        other = replace(here, pid=process.pid, number="b")
        assert not here.knows_dead(str(other))
        process.kill()
        process.wait()
        assert here.knows_dead(str(other))
        assert not here.knows_dead(str(replace(other, host="elsewhere")))
        assert not here.knows_dead(str(replace(other, namespace="another")))
    assert not here.knows_dead(str(replace(here, pid=os.getppid())))
    assert not here.knows_dead("nonsense")


async def test_what_waited_too_long_never_begins(sql: SQL, supervisor: Supervisor, clock: ManualClock) -> None:
    """A restore that was pending when the server went down must not write to the machine hours later."""
    begun = []

    async def handle(context: JobContext) -> str | None:
        begun.append(context.job_id)
        return None

    before = Jobs(sql, NoPubSub(), clock, supervisor, JobSettings())
    restore, snapshot = await before.create("restore", actor="me"), await before.create("snapshot", actor="me")
    clock.advance(31)
    after = Jobs(sql, NoPubSub(), clock, supervisor, JobSettings())
    after.register("restore", handle, begin_within_s=30)
    after.register("snapshot", handle)
    await after.start()
    assert (await after.wait(snapshot.id, timeout_s=20)).status is JobStatus.COMPLETED
    assert (await after.wait(restore.id, timeout_s=20)).status is JobStatus.FAILED
    await after.stop()
    assert begun == [snapshot.id]


async def test_a_claim_does_not_begin_what_waited_too_long(sql: SQL, clock: ManualClock) -> None:
    """Whether or not the reaper came by in between."""
    row = {"id": "c" * 16, "type": "restore", "data": {}, "actor": "me", "created_at": clock.now()}
    await sql.write(lambda c: job_rows.insert_job(c, row))
    clock.advance(30.5)
    assert await sql.write(lambda c: job_rows.claim_next(c, "worker", {"restore": 30}, clock.now())) is None
    assert await sql.write(lambda c: job_rows.claim_next(c, "worker", {"other": None}, clock.now())) is None
    assert await sql.write(lambda c: job_rows.claim_next(c, "worker", {"restore": 31}, clock.now())) is not None


async def test_a_job_given_up_by_others_is_stopped_here(jobs: Jobs, sql: SQL) -> None:
    """Somebody else may begin the same work: two restores at once would be worse than none."""
    stopped = asyncio.Event()

    async def handle(context: JobContext) -> str | None:
        await context.abort.wait()
        stopped.set()
        return "done after all"

    jobs.register("restore", handle)
    await jobs.start()
    job = await jobs.create("restore", actor="me")
    async with asyncio.timeout(20):
        while (await jobs.get(job.id)).status is JobStatus.PENDING:
            await asyncio.sleep(0.005)
        await sql.write(lambda c: c.exec_driver_sql("UPDATE jobs SET status = 'failed', error = 'given up'"))
        await stopped.wait()
        while jobs.running:
            await asyncio.sleep(0.005)
    ended = await jobs.get(job.id)
    assert (ended.status, ended.error, ended.result_id) == (JobStatus.FAILED, "given up", None)
