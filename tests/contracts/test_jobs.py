"""Jobs over both databases; over MariaDB and Redis with several workers, one of which is killed."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from backend.src.config.settings import CacheSettings, JobSettings, SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import Redis
from backend.src.infra.sql import SQL
from backend.src.services.jobs import JobAborted, JobContext, Jobs, JobStatus, job_rows
from backend.src.services.jobs.job_messages import CHANNEL
from backend.src.services.jobs.worker_identity import WorkerIdentity

# nobody is given up because the machine was busy for a second
SETTINGS = JobSettings(workers=2, heartbeat_s=0.1, dead_after_s=60.0)
OWN_ONLY = replace(SETTINGS, of_others=False)
ROOT = Path(__file__).resolve().parents[2]

Make = Callable[..., Jobs]


@pytest.fixture
def cache_settings(sql_settings: SqlSettings, request: pytest.FixtureRequest) -> CacheSettings:
    """As it is installed: all embedded, or all servers."""
    if sql_settings.embedded:
        return CacheSettings()
    settings: CacheSettings = request.getfixturevalue("redis_server").settings(
        prefix=secrets.token_hex(4), tcp=False, timeout_s=30.0
    )
    return settings


@pytest.fixture
async def supervisors() -> AsyncIterator[list[Supervisor]]:
    supervisors: list[Supervisor] = []
    yield supervisors
    for supervisor in supervisors:
        await supervisor.stop()


@pytest.fixture
async def make(sql: SQL, cache: Redis, supervisors: list[Supervisor]) -> AsyncIterator[Make]:
    """Workers, as if each were a process of its own."""
    made: list[Jobs] = []

    def one(identity: WorkerIdentity | None = None, settings: JobSettings = SETTINGS) -> Jobs:
        supervisors.append(Supervisor())
        made.append(Jobs(sql, cache, SystemClock(), supervisors[-1], settings, identity=identity))
        return made[-1]

    yield one
    for jobs in made:
        await jobs.stop()


async def until_aborted(context: JobContext) -> str | None:
    await context.abort.wait()
    raise JobAborted("stopped")


async def test_a_job_runs_once_however_many_workers_want_it(make: Make, sql: SQL) -> None:
    runs: Counter[str] = Counter()

    async def count(context: JobContext) -> str | None:
        runs[context.job_id] += 1
        await asyncio.sleep(0.001)
        return None

    workers = [make() for _ in range(1 if sql.dialect == "sqlite" else 4)]
    for worker in workers:
        worker.register("count", count)
        await worker.start()
    created = [(await workers[0].create("count", actor="me")).id for _ in range(24)]
    for job_id in created:
        assert (await workers[-1].wait(job_id, timeout_s=30)).status is JobStatus.COMPLETED
    assert runs == Counter(dict.fromkeys(created, 1))


async def test_the_oldest_waits_least(make: Make) -> None:
    order: list[str] = []

    async def note(context: JobContext) -> str | None:
        order.append(context.job_id)
        return None

    jobs = make(settings=JobSettings(workers=1))
    created = [(await jobs.create("note", actor="me")).id for _ in range(5)]
    jobs.register("note", note)
    await jobs.start()
    for job_id in created:
        await jobs.wait(job_id, timeout_s=30)
    assert order == created


async def test_text_and_data_come_back_as_they_went_in(make: Make) -> None:
    jobs = make()
    data = {"pvs": ["ÄÖ:1", "\u0000"], "big": 2**70, "nothing": None, "many": list(range(10_000))}
    job = await jobs.create("kind", data, actor="Jürgen")
    assert (await jobs.get(job.id)).data == data
    assert (await jobs.get(job.id)).actor == "Jürgen"


async def test_a_worker_elsewhere_is_woken_and_told_to_abort(
    make: Make, sql: SQL, cache: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Redis: well before the next look into SQL."""
    if sql.dialect == "sqlite":
        pytest.skip("SQLite has one process")
    monkeypatch.setattr("backend.src.services.jobs.worker.LOOK_EVERY_S", 60.0)
    here, there = make(), make(settings=JobSettings(heartbeat_s=60, dead_after_s=600))
    there.register("wait", until_aborted)
    await there.start()
    await here.start()
    async with asyncio.timeout(30):
        while await cache.publish(CHANNEL, b"no hint") < 2:  # until both listen: whoever does not yet hears no abort
            await asyncio.sleep(0.01)
        job = await here.create("wait", actor="me")
        while not there.running:
            await asyncio.sleep(0.005)
        await here.abort(job.id)
        assert (await here.wait(job.id, timeout_s=30)).status is JobStatus.ABORTED


async def test_a_process_without_handlers_runs_nothing(make: Make, sql: SQL) -> None:
    api = make()
    await api.start()
    job = await api.create("count", actor="me")
    await asyncio.sleep(0.2)
    assert (await api.get(job.id)).status is JobStatus.PENDING


async def test_a_process_for_its_own_work_leaves_that_of_others_alone(make: Make) -> None:
    others = await make().create("count", actor="me")
    jobs = make(settings=OWN_ONLY)
    runs: list[str] = []

    async def count(context: JobContext) -> str | None:
        runs.append(context.job_id)
        return None

    jobs.register("count", count)
    await jobs.start()
    own = [(await jobs.create("count", actor="me")).id for _ in range(3)]
    for job_id in own:
        assert (await jobs.wait(job_id, timeout_s=30)).status is JobStatus.COMPLETED
    assert (runs, (await jobs.get(others.id)).status) == (own, JobStatus.PENDING)


async def test_a_silent_worker_is_given_up_and_finds_out(make: Make, sql: SQL) -> None:
    """One that was only asleep must not go on beside its successor."""
    if sql.dialect == "sqlite":
        pytest.skip("SQLite has one process")
    identity = WorkerIdentity("elsewhere", "1", 42, "a")
    sleeper, watcher = make(identity), make(settings=replace(SETTINGS, dead_after_s=1.0))
    sleeper.register("wait", until_aborted)
    await sleeper.start()
    job = await sleeper.create("wait", actor="me")
    while not sleeper.running:
        await asyncio.sleep(0.01)
    await sleeper._supervisor.stop("jobs: signs of life")
    await watcher.start()
    ended = await watcher.wait(job.id, timeout_s=30)
    assert (ended.status, ended.error) == (JobStatus.FAILED, "its worker died; what it had done until then stays done")
    await sleeper._worker.beat_once()
    async with asyncio.timeout(30):
        while sleeper.running:
            await asyncio.sleep(0.01)
    assert (await watcher.get(job.id)).status is JobStatus.FAILED


WORKER = """
import asyncio, sys
from pathlib import Path
from backend.src.config.settings import CacheSettings, JobSettings, Secret, SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import Redis
from backend.src.infra.sql import SQL
from backend.src.services.jobs import Jobs

async def work(context):
    context.progress(40, "writing")
    await asyncio.sleep(600)

async def main(sql_settings, cache_settings, folder):
    cache = Redis.build(cache_settings)
    sql = SQL.build(sql_settings, Path(folder), cache)
    await cache.start()
    await sql.start()
    jobs = Jobs(sql, cache, SystemClock(), Supervisor(), JobSettings())
    jobs.register("work", work)
    await jobs.start()
    await asyncio.sleep(600)
"""


async def test_a_killed_workers_job_is_failed_by_the_next_start(
    make: Make, sql: SQL, sql_settings: SqlSettings, cache_settings: CacheSettings, tmp_path: Path
) -> None:
    """kill -9 in the middle: at once where the process can be seen to be gone, with no wait for its silence."""
    waits = JobSettings(heartbeat_s=60, dead_after_s=600)
    before = make(settings=waits)
    job = await before.create("work", actor="me")
    sections = f"SqlSettings({_arguments(sql_settings)}), CacheSettings({_arguments(cache_settings)})"
    text = f"{WORKER}\nasyncio.run(main({sections}, {str(tmp_path)!r}))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", text, cwd=ROOT)
    try:
        async with asyncio.timeout(60):
            while (await before.get(job.id)).progress != 40:
                await asyncio.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    assert (await before.get(job.id)).status is JobStatus.RUNNING
    after = make(settings=waits)
    await after.start()
    ended = await after.get(job.id)
    assert (ended.status, ended.progress, ended.message) == (JobStatus.FAILED, 40, "writing")
    assert ended.completed_at is not None and "died" in (ended.error or "")


def _arguments(section: SqlSettings | CacheSettings) -> str:
    """As source text; repr would print a Secret as ***."""
    values = {name: getattr(section, name) for name in section.__dataclass_fields__}
    return ", ".join(
        f"{name}=Secret({value.reveal()!r})" if hasattr(value, "reveal") else f"{name}={value!r}"
        for name, value in values.items()
    )


async def test_claims_of_one_job_from_many_connections_have_one_winner(sql: SQL, make: Make) -> None:
    job = await make().create("kind", actor="me")
    now = SystemClock().now()
    claim = partial(job_rows.claim_next, types={"kind": None}, now=now)
    won = await asyncio.gather(*(sql.write(partial(claim, worker=f"worker {n}")) for n in range(8)))
    assert [claimed.id for claimed in won if claimed is not None] == [job.id]


async def test_an_end_is_recorded_once(sql: SQL, make: Make) -> None:
    """Whoever comes second, the reaper or the worker, changes nothing."""
    jobs, now = make(), SystemClock().now()
    job = await jobs.create("kind", actor="me")
    await sql.write(lambda c: job_rows.claim_next(c, "worker", {"kind": None}, now))
    assert await sql.write(
        lambda c: job_rows.end_running(c, job.id, "worker", JobStatus.COMPLETED, now, progress=100, message=None)
    )
    seen = (await jobs.get(job.id)).heartbeat_at
    assert seen is not None
    assert not await sql.write(lambda c: job_rows.fail_dead(c, job.id, "worker", seen, now, "died"))
    assert (await jobs.get(job.id)).status is JobStatus.COMPLETED
