"""A job from its creation to its record."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from backend.src.core.errors import Conflict, Invalid, TimedOut, Unavailable
from backend.src.infra.sql import SQL
from backend.src.services.jobs import JobAborted, JobContext, JobNotFound, Jobs, JobStatus, job_run, worker
from tests.unit.services.jobs.conftest import HEARTBEAT_S


async def echo(context: JobContext) -> str | None:
    context.progress(50, "half")
    return context.data.get("result")


async def until_aborted(context: JobContext) -> str | None:
    context.progress(10, "waiting")
    await context.abort.wait()
    raise JobAborted("wrote 1 of 10", result_id="partial")


async def deaf(context: JobContext) -> str | None:
    await asyncio.sleep(60)
    return None


async def test_a_job_is_recorded_from_creation_to_result(jobs: Jobs) -> None:
    jobs.register("echo", echo)
    await jobs.start()
    created = await jobs.create("echo", {"result": "abc"}, actor="me")
    assert created.status is JobStatus.PENDING and created.actor == "me"
    ended = await jobs.wait(created.id, timeout_s=20)
    assert (ended.status, ended.progress, ended.message, ended.result_id) == (
        JobStatus.COMPLETED,
        100,
        "half",
        "abc",
    )
    assert ended.created_at <= (ended.started_at or ended.created_at) <= (ended.completed_at or ended.created_at)


async def test_it_begins_at_once(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Woken, not at the next look."""
    monkeypatch.setattr(worker, "LOOK_EVERY_S", 60.0)
    begun = asyncio.Event()

    async def note(context: JobContext) -> str | None:
        begun.set()
        return None

    jobs.register("note", note)
    await jobs.start()
    await asyncio.sleep(0.1)  # the dispatcher sleeps now
    await jobs.create("note", actor="me")
    await asyncio.wait_for(begun.wait(), 20)


async def test_an_error_of_ours_is_told_with_its_remedy(jobs: Jobs) -> None:
    async def refuse(context: JobContext) -> str | None:
        raise Invalid("no such PV", remedy="add it")

    jobs.register("refuse", refuse)
    await jobs.start()
    ended = await jobs.wait((await jobs.create("refuse", actor="me")).id, timeout_s=20)
    assert (ended.status, ended.error) == (JobStatus.FAILED, "no such PV (add it)")


async def test_a_crash_is_recorded_without_its_secrets(jobs: Jobs) -> None:
    async def crash(context: JobContext) -> str | None:
        raise ZeroDivisionError("the password is 1234")

    jobs.register("crash", crash)
    await jobs.start()
    ended = await jobs.wait((await jobs.create("crash", actor="me")).id, timeout_s=20)
    assert ended.status is JobStatus.FAILED
    assert "ZeroDivisionError" in (ended.error or "") and "1234" not in (ended.error or "")


async def test_a_pending_job_is_aborted_at_once(jobs: Jobs) -> None:
    job = await jobs.create("nobody does this", actor="me")
    assert (await jobs.abort(job.id)).status is JobStatus.ABORTED
    with pytest.raises(Conflict):
        await jobs.abort(job.id)


async def test_a_running_job_is_asked_and_says_how_far_it_got(jobs: Jobs) -> None:
    jobs.register("wait", until_aborted)
    await jobs.start()
    job = await jobs.create("wait", actor="me")
    await until_running(jobs, job.id)
    assert (await jobs.abort(job.id)).abort_requested
    ended = await jobs.wait(job.id, timeout_s=20)
    assert (ended.status, ended.message, ended.result_id) == (JobStatus.ABORTED, "wrote 1 of 10", "partial")
    assert ended.progress == 10


async def test_the_abort_flag_in_sql_is_enough(jobs: Jobs, sql: SQL) -> None:
    """Another process sets the flag, and its message is lost."""
    jobs.register("wait", until_aborted)
    await jobs.start()
    job = await jobs.create("wait", actor="me")
    await until_running(jobs, job.id)
    await sql.write(lambda c: c.exec_driver_sql("UPDATE jobs SET abort_requested = 1"))
    assert (await jobs.wait(job.id, timeout_s=20)).status is JobStatus.ABORTED


async def test_progress_is_written_a_few_times_a_second(jobs: Jobs, sql: SQL) -> None:
    async def count(context: JobContext) -> str | None:
        for step in range(500):
            context.progress(step / 5, f"step {step}")
            await asyncio.sleep(0.001)  # slowly enough that each could be written
        await context.abort.wait()
        return None

    writes, began = count_writes(sql), time.monotonic()
    jobs.register("count", count)
    await jobs.start()
    job = await jobs.create("count", actor="me")
    async with asyncio.timeout(20):
        while (await jobs.get(job.id)).message != "step 499":
            await asyncio.sleep(0.02)
    # signs of life, progress and looks, for as long as it took: a write a step would be hundreds
    a_second = 1 / HEARTBEAT_S + 4 + 1
    assert len(writes) < 20 + a_second * (time.monotonic() - began)
    assert (await jobs.get(job.id)).progress == 99


async def test_no_more_jobs_run_at_once_than_there_are_hands(jobs: Jobs) -> None:
    running, most, may_end = 0, 0, asyncio.Event()

    async def count(context: JobContext) -> str | None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await may_end.wait()
        running -= 1
        return None

    jobs.register("count", count)
    await jobs.start()
    created = [await jobs.create("count", actor="me") for _ in range(6)]
    async with asyncio.timeout(20):
        while running < 2:
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)  # in which a third would begin
    assert len(jobs.running) == 2
    may_end.set()
    for job in created:
        assert (await jobs.wait(job.id, timeout_s=10)).status is JobStatus.COMPLETED
    assert most == 2


async def test_stop_leaves_nothing_running(jobs: Jobs) -> None:
    jobs.register("wait", until_aborted)
    jobs.register("deaf", deaf)
    await jobs.start()
    heeds, ignores = await jobs.create("wait", actor="me"), await jobs.create("deaf", actor="me")
    for job in (heeds, ignores):
        await until_running(jobs, job.id)
    began = time.monotonic()
    await jobs.stop()
    assert time.monotonic() - began < 20, "the deaf one would go on for a minute"
    assert (await jobs.get(heeds.id)).status is JobStatus.ABORTED
    ended = await jobs.get(ignores.id)
    assert (ended.status, ended.error) == (JobStatus.FAILED, "the server was stopped while the job ran")
    assert not jobs.running


async def test_a_stop_keeps_no_job_from_recording_that_it_is_done(
    jobs: Jobs, sql: SQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away for a moment, and the server stopped: a restore that was done passed for one that died."""
    refused, write = 0, job_run.JobRun._write

    async def away_at_first(self: job_run.JobRun, *end: Any) -> None:
        nonlocal refused
        refused += 1
        if refused <= 2:
            raise Unavailable("the database is away")
        await write(self, *end)

    monkeypatch.setattr(job_run.JobRun, "_write", away_at_first)
    monkeypatch.setattr(job_run, "RECORD_PAUSE_S", 1.5 * worker.ABORT_GRACE_S)
    jobs.register("echo", echo)
    await jobs.start()
    job = await jobs.create("echo", {"result": "all of it"}, actor="me")
    async with asyncio.timeout(20):
        while not refused:
            await asyncio.sleep(0.005)
    await jobs.stop()
    ended = await jobs.get(job.id)
    assert (ended.status, ended.result_id) == (JobStatus.COMPLETED, "all of it")


async def test_waiting_ends_in_time_and_the_job_goes_on(jobs: Jobs) -> None:
    jobs.register("wait", until_aborted)
    await jobs.start()
    job = await jobs.create("wait", actor="me")
    with pytest.raises(TimedOut):
        await jobs.wait(job.id, timeout_s=0.1)
    assert (await jobs.get(job.id)).status in (JobStatus.PENDING, JobStatus.RUNNING)


async def test_unknown_jobs_are_not_found(jobs: Jobs) -> None:
    for ask in (jobs.get, jobs.abort):
        with pytest.raises(JobNotFound):
            await ask("0" * 16)
    with pytest.raises(JobNotFound):
        await jobs.wait("0" * 16, timeout_s=1)


async def test_the_list_is_newest_first_and_goes_on_where_it_ended(jobs: Jobs) -> None:
    created = [(await jobs.create("kind" if i % 2 else "other", actor="me")).id for i in range(5)]
    first = await jobs.newest(limit=2)
    rest = await jobs.newest(after=(first[-1].created_at, first[-1].id), limit=10)
    assert [job.id for job in (*first, *rest)] == created[::-1]
    assert [job.id for job in await jobs.newest(type_="kind")] == [created[3], created[1]]
    assert await jobs.newest(status=JobStatus.RUNNING) == []


def test_a_type_has_one_handler(jobs: Jobs) -> None:
    jobs.register("echo", echo)
    with pytest.raises(Conflict):
        jobs.register("echo", echo)


async def until_running(jobs: Jobs, job_id: str) -> None:
    async with asyncio.timeout(20):
        while (await jobs.get(job_id)).status is JobStatus.PENDING:
            await asyncio.sleep(0.005)


def count_writes(sql: SQL) -> list[object]:
    writes: list[object] = []
    write = sql.write

    async def counted(work, **options):  # type: ignore[no-untyped-def]
        writes.append(work)
        return await write(work, **options)

    sql.write = counted  # type: ignore[method-assign]
    return writes
