"""Restores: only what was asked for, only what may be, once, one at a time, and the truth about each PV."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from backend.src.core.errors import Busy, Invalid, Unavailable
from backend.src.infra.epics.frame import Flag, ValueType
from backend.src.infra.epics.outcomes import PutResult
from backend.src.infra.sql.tables import jobs as jobs_table
from backend.src.services.jobs import JobStatus
from backend.src.services.jobs.jobs import REAP
from backend.src.services.restore import OutcomesNotFound, PlanExpired, PlanNotFound, Result, Verdict
from backend.src.services.restore.models import JOB_TYPE, VERDICTS
from backend.src.services.restore.restore_lock import RestoreLock
from backend.src.services.snapshots import SnapshotFilter, SnapshotNotFound
from tests.unit.services.restore.machine import Site, request, results, site_of
from tests.unit.services.snapshots.captures import NEVER, Channel, double
from tests.unit.services.snapshots.stand import catalogue


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with site_of(tmp_path, catalogue("A", "B", "C")) as made:
        yield made


async def saved(site: Site) -> str:
    return await site.save(A=double(1.0), B=double(2.0), C=double(3.0))


async def test_changed_values_are_put_back_and_verified(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0, B=20.0)
    job, outcomes = await site.restore(snapshot_id)
    assert site.written == {"A": 1.0, "B": 2.0}
    assert results(outcomes) == {"A": "restored", "B": "restored", "C": "skipped"}
    assert outcomes.counts == {Result.RESTORED: 2, Result.SKIPPED: 1}
    assert (job.status, job.actor, job.message) == (
        JobStatus.COMPLETED,
        "operator",
        "2 restored, 1 skipped (1 equal)",
    )
    assert [outcomes.before.value(row) for row in range(3)] == [10.0, 20.0, None]
    assert [outcomes.after.value(row) for row in range(3)] == [1.0, 2.0, None]


async def test_one_call_rolls_it_back(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    job, outcomes = await site.restore(snapshot_id)
    assert job.result_id == outcomes.rollback_snapshot_id
    rollback = await site.stand.snapshots.get(str(job.result_id))
    assert (rollback.pv_count, rollback.labels) == (1, ("before-restore",))
    await site.restore(rollback.id)
    assert site.value("A") == 10.0


@pytest.mark.parametrize(
    "request_", [request(pv_ids=()), request(pv_ids=(1, 99)), request(pattern="Z*"), request(pattern=" ")]
)
async def test_an_empty_or_unknown_selection_is_refused_and_never_everything(site: Site, request_: Any) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    with pytest.raises(Invalid):
        await site.restores.restore(snapshot_id, request_, "operator")
    with pytest.raises(Invalid):
        await site.restores.plan(snapshot_id, request_, "operator")
    assert await site.jobs.newest() == []
    assert site.machine.puts == []


async def test_a_part_of_a_snapshot(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0, B=20.0, C=30.0)
    _, outcomes = await site.restore(snapshot_id, pv_ids=(2, 3), excluded=(3,))
    assert site.written == {"B": 2.0}
    assert outcomes.pv_names == ["B"]


async def test_read_only_pvs_are_never_written(tmp_path: Path) -> None:
    async with site_of(tmp_path, catalogue("A", "B", read_only=("A",))) as site:
        snapshot_id = await site.save(A=double(1.0), B=double(2.0))
        site.move(A=10.0, B=20.0)
        _, outcomes = await site.restore(snapshot_id)
        assert site.written == {"B": 2.0}
        assert outcomes.skipped == {Verdict.READ_ONLY: 1}
        with_id = await site.restores.plan(snapshot_id, request(pv_ids=(1,)), "operator")
        assert VERDICTS[with_id.plan.judgement.verdicts[0]] is Verdict.READ_ONLY


async def test_a_pv_that_became_read_only_since_is_not_written(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0, B=20.0)
    proposal = await site.restores.plan(snapshot_id, request(), "operator")
    site.stand.catalog.current = catalogue("A", "B", "C", read_only=("A",))
    _, outcomes = await site.ended(await site.restores.execute_plan(snapshot_id, proposal.plan.id, "operator"))
    assert site.written == {"B": 2.0}
    assert results(outcomes)["A"] == "skipped"
    assert "read-only" in outcomes.messages[0]


async def test_a_pv_that_was_imported_anew_as_read_only_is_not_written(site: Site) -> None:
    """Its id is another one: the address of its setpoint tells."""
    snapshot_id = await saved(site)
    site.move(C=30.0)
    site.stand.catalog.current = catalogue("C", "X", "Y", read_only=("C",))
    await site.restore(snapshot_id, pv_ids=(3,))
    assert site.machine.puts == []


async def test_readbacks_are_never_written(tmp_path: Path) -> None:
    only_readback = catalogue("A", "B")
    only_readback.readback[:] = only_readback.setpoint
    only_readback.setpoint[0] = -1
    async with site_of(tmp_path, only_readback) as site:
        snapshot_id = await site.save(A=double(1.0), B=double(2.0))
        site.move(A=10.0, B=20.0)
        _, outcomes = await site.restore(snapshot_id)
        assert site.written == {"B": 2.0}
        assert outcomes.messages[0] == "has no setpoint"


async def test_exactly_the_reviewed_plan_is_executed(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    proposal = await site.restores.plan(snapshot_id, request(), "operator")
    site.move(B=20.0)  # differs only since: it was not reviewed
    await site.ended(await site.restores.execute_plan(snapshot_id, proposal.plan.id, "operator"))
    assert site.written == {"A": 1.0}


async def test_a_pv_that_went_away_since_the_plan_is_not_written(site: Site) -> None:
    """Should it be back a moment later: what it held was not saved, so no rollback could give that back."""
    snapshot_id = await saved(site)
    site.move(A=10.0, B=20.0)
    proposal = await site.restores.plan(snapshot_id, request(), "operator")
    site.machine.back["ca://A"] = site.machine.channels["ca://A"]
    site.machine.channels["ca://A"] = NEVER
    ended, outcomes = await site.ended(await site.restores.execute_plan(snapshot_id, proposal.plan.id, "operator"))
    assert site.written == {"B": 2.0}
    assert results(outcomes) == {"A": "disconnected", "B": "restored", "C": "skipped"}
    assert "does not answer" in outcomes.messages[0]
    rollback = await site.stand.snapshots.contents(str(ended.result_id))
    assert rollback.capture.pvs.names == ["B"]


async def test_a_pv_that_became_something_else_since_the_plan_is_not_written(site: Site) -> None:
    """Its IOC was started again with other states: the same index would be another position."""
    enum = Channel(ValueType.ENUM, 1, choices=("out", "in"))
    snapshot_id = await site.save(A=enum, B=double(2.0), C=double(3.0))
    site.move(A=0, B=20.0)
    proposal = await site.restores.plan(snapshot_id, request(), "operator")
    site.machine.channels["ca://A"] = Channel(ValueType.ENUM, 0, choices=("in", "out"))
    site.machine.channels["ca://B"] = Channel(ValueType.LONG, 20)
    _, outcomes = await site.ended(await site.restores.execute_plan(snapshot_id, proposal.plan.id, "operator"))
    assert site.machine.puts == []
    assert results(outcomes) == {"A": "failed", "B": "failed", "C": "skipped"}
    assert "'in'" in outcomes.messages[0] and "a long today" in outcomes.messages[1]


async def test_a_plan_is_executed_once(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    proposal = await site.restores.plan(snapshot_id, request(), "operator")
    await site.ended(await site.restores.execute_plan(snapshot_id, proposal.plan.id, "operator"))
    with pytest.raises(PlanNotFound):
        await site.restores.execute_plan(snapshot_id, proposal.plan.id, "operator")


async def test_a_plan_expires_and_belongs_to_its_snapshot(site: Site) -> None:
    first, second = await saved(site), await saved(site)
    plan = (await site.restores.plan(first, request(), "operator")).plan
    with pytest.raises(PlanNotFound):
        await site.restores.execute_plan(second, plan.id, "operator")
    site.stand.clock.advance(1801)
    with pytest.raises(PlanExpired):
        await site.restores.execute_plan(first, plan.id, "operator")


async def test_planning_writes_nothing(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    proposal = await site.restores.plan(snapshot_id, request(), "operator")
    assert [VERDICTS[code] for code in proposal.plan.judgement.verdicts] == [
        Verdict.WRITE,
        Verdict.EQUAL,
        Verdict.EQUAL,
    ]
    assert site.machine.puts == []
    assert len((await site.stand.snapshots.page(SnapshotFilter())).snapshots) == 1


async def test_an_unknown_snapshot(site: Site) -> None:
    for call in (site.restores.plan, site.restores.restore):
        with pytest.raises(SnapshotNotFound):
            await call("0123456789abcdef", request(), "operator")
    with pytest.raises(SnapshotNotFound):
        await site.restores.execute_plan("0123456789abcdef", "0123456789abcdef", "operator")


async def test_one_restore_at_a_time(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    site.machine.hold = asyncio.Event()
    running = await site.restores.restore(snapshot_id, request(), "operator")
    with pytest.raises(Busy, match=running.id):
        await site.restores.restore(snapshot_id, request(), "another")
    site.machine.hold.set()
    await site.ended(running)
    site.move(A=11.0)
    job, _ = await site.restore(snapshot_id)
    assert job.status is JobStatus.COMPLETED


async def test_a_job_without_the_lock_writes_nothing(site: Site) -> None:
    """Its request died between recording the job and taking the lock, and somebody else took it."""
    snapshot_id = await saved(site)
    site.move(A=10.0)
    site.machine.hold = asyncio.Event()
    running = await site.restores.restore(snapshot_id, request(), "operator")
    data = {"snapshotId": snapshot_id, "request": request().to_json(), "instance": site.restores._instance}
    orphan = await site.jobs.wait((await site.jobs.create(JOB_TYPE, data, actor="ghost")).id, timeout_s=20)
    assert orphan.status is JobStatus.FAILED
    assert running.id in str(orphan.error)
    site.machine.hold.set()
    await site.ended(running)
    assert len(site.machine.puts) == 1


async def test_of_many_at_once_one_wins(tmp_path: Path) -> None:
    async with site_of(tmp_path, catalogue("A")) as site:
        snapshot_id = await site.save(A=double(1.0))
        site.move(A=10.0)
        site.machine.hold = asyncio.Event()
        asked = [site.restores.restore(snapshot_id, request(), f"operator {n}") for n in range(5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in answers) == ["Busy"] * 4 + ["Job"]
        site.machine.hold.set()
        winner = next(answer for answer in answers if not isinstance(answer, BaseException))
        job, _ = await site.ended(winner)
        assert job.status is JobStatus.COMPLETED
        assert len(site.machine.puts) == 1


async def test_a_dead_restore_is_failed_frees_the_lock_and_is_never_repeated(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    job = await site.jobs.create(JOB_TYPE, {"snapshotId": snapshot_id, "instance": "before"}, actor="ghost")
    ended = await site.jobs.wait(job.id, timeout_s=20)
    assert (ended.status, site.machine.puts) == (JobStatus.FAILED, [])
    assert "restarted" in str(ended.error)
    await site.stand.supervisor.stop(REAP)  # by itself it may come by before anybody has asked for the lock
    dead = {"status": "running", "worker": "gone", "heartbeat_at": site.stand.clock.now().astimezone(UTC)}
    await site.stand.sql.write(
        lambda db: db.execute(update(jobs_table).where(jobs_table.c.id == job.id).values(dead)) and None
    )
    await site.restores._lock.acquire(job.id, site.stand.clock.now())
    with pytest.raises(Busy):
        await site.restores.restore(snapshot_id, request(), "operator")
    await site.jobs.reap_once()
    assert (await site.jobs.get(job.id)).status is JobStatus.FAILED
    assert site.machine.puts == []
    done, _ = await site.restore(snapshot_id)
    assert done.status is JobStatus.COMPLETED


async def test_a_restore_that_was_killed_leaves_what_it_may_have_written(site: Site, monkeypatch: Any) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)

    async def die(*_: Any, **__: Any) -> None:
        raise Unavailable("killed")

    monkeypatch.setattr(site.machine, "write", die)
    job, outcomes = await site.restore(snapshot_id)
    assert job.status is JobStatus.FAILED
    assert results(outcomes) == {"A": "unknown", "B": "skipped", "C": "skipped"}
    assert not outcomes.finished
    assert outcomes.before.value(0) == 10.0
    assert outcomes.rollback_snapshot_id is not None


async def test_without_the_safety_snapshot_nothing_is_written(site: Site, monkeypatch: Any) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)

    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("the bucket is away")

    monkeypatch.setattr(site.stand.bucket, "put", away)
    job = await site.restores.restore(snapshot_id, request(), "operator")
    ended = await site.jobs.wait(job.id, timeout_s=20)
    assert (ended.status, site.machine.puts) == (JobStatus.FAILED, [])
    with pytest.raises(OutcomesNotFound):
        await site.restores.outcomes(job.id)


async def test_a_bucket_that_goes_away_at_the_end_hides_nothing(site: Site, monkeypatch: Any) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    put = site.stand.bucket.put

    async def away_once_written(key: str, *arguments: Any) -> None:
        if key.startswith("restores/") and site.machine.puts:
            raise Unavailable("the bucket is away")
        await put(key, *arguments)

    monkeypatch.setattr(site.stand.bucket, "put", away_once_written)
    job, outcomes = await site.restore(snapshot_id)
    assert (job.status, site.value("A")) == (JobStatus.FAILED, 1.0)
    assert "1 restored" in str(job.error) and "the bucket is away" in str(job.error)
    assert results(outcomes)["A"] == "unknown" and outcomes.rollback_snapshot_id is not None


async def test_a_lock_that_cannot_be_given_back_does_not_make_a_restore_fail(site: Site, monkeypatch: Any) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)

    async def away(_self: RestoreLock, job_id: str) -> None:
        raise Unavailable("the database is away")

    monkeypatch.setattr(RestoreLock, "release", away)
    job, _ = await site.restore(snapshot_id)
    assert job.status is JobStatus.COMPLETED
    await site.restore(snapshot_id)  # the lock ended with its job


async def test_disconnected_refused_and_late_pvs_each_have_their_outcome(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0, B=20.0)
    site.machine.channels["ca://C"] = NEVER
    site.machine.refusals["ca://B"] = PutResult.TIMED_OUT
    job, outcomes = await site.restore(snapshot_id)
    assert results(outcomes) == {"A": "restored", "B": "timed_out", "C": "skipped"}
    assert outcomes.skipped == {Verdict.DISCONNECTED: 1}
    assert outcomes.messages[1] == "refused"
    assert job.message == "1 restored, 1 timed_out, 1 skipped (1 disconnected)"


async def test_a_put_whose_connection_was_lost_is_looked_at(site: Site) -> None:
    """It may have taken effect: the outcome shows what is there afterwards."""
    snapshot_id = await saved(site)
    site.move(A=10.0)
    site.machine.refusals["ca://A"] = PutResult.DISCONNECTED
    _, outcomes = await site.restore(snapshot_id)
    assert results(outcomes)["A"] == "disconnected"
    assert outcomes.after.value(0) == 10.0


async def test_a_value_that_the_machine_changes_is_not_verified(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    site.machine.distort["ca://A"] = lambda value: value + 0.5
    _, outcomes = await site.restore(snapshot_id)
    assert results(outcomes)["A"] == "not_verified"
    assert outcomes.after.value(0) == 1.5
    assert "another value" in outcomes.messages[0]


async def test_a_value_within_its_tolerance_is_verified(tmp_path: Path) -> None:
    tolerant = catalogue("A")
    tolerant.abs_tolerance[0] = 0.6
    async with site_of(tmp_path, tolerant) as site:
        snapshot_id = await site.save(A=double(1.0))
        site.move(A=10.0)
        site.machine.distort["ca://A"] = lambda value: value + 0.5
        _, outcomes = await site.restore(snapshot_id)
        assert results(outcomes) == {"A": "restored"}


async def test_a_value_that_arrives_late_gets_a_second_look(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    site.machine.late["ca://A"] = double(1.0)
    _, outcomes = await site.restore(snapshot_id)
    assert results(outcomes)["A"] == "restored"
    assert len(site.machine.puts) == 1


async def test_an_aborted_restore_says_how_far_it_got(site: Site) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0, B=20.0)
    site.machine.hold = asyncio.Event()
    job = await site.restores.restore(snapshot_id, request(), "operator")
    await asyncio.wait_for(site.machine.held.wait(), 20)
    await site.jobs.abort(job.id)
    site.machine.hold.set()
    job, outcomes = await site.ended(job)
    assert job.status is JobStatus.ABORTED
    assert results(outcomes) == {"A": "aborted", "B": "aborted", "C": "skipped"}
    assert "2 aborted" in str(job.message)
    assert site.machine.puts == []


async def test_aborted_before_the_first_put_nothing_may_have_been_written(site: Site, monkeypatch: Any) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0, B=20.0)
    put = site.stand.bucket.put

    async def abort_when_the_outcomes_are_kept(key: str, *arguments: Any) -> None:
        await put(key, *arguments)
        for job_id in site.jobs.running:
            if job_id in key and not (await site.jobs.get(job_id)).status.ended:
                await site.jobs.abort(job_id)

    monkeypatch.setattr(site.stand.bucket, "put", abort_when_the_outcomes_are_kept)
    job, outcomes = await site.restore(snapshot_id)
    assert (job.status, job.result_id) == (JobStatus.ABORTED, outcomes.rollback_snapshot_id)
    assert results(outcomes) == {"A": "aborted", "B": "aborted", "C": "skipped"}
    assert outcomes.finished and outcomes.messages[:2] == ["not sent"] * 2
    assert site.machine.puts == []


async def test_every_kind_of_value_is_put_as_it_was(tmp_path: Path) -> None:
    names = ("A", "B", "C", "D", "E")
    async with site_of(tmp_path, catalogue(*names)) as site:
        snapshot_id = await site.save(
            A=Channel(ValueType.STRING, "text"),
            B=Channel(ValueType.ENUM, 1, choices=("Off", "On")),
            C=Channel(ValueType.DOUBLE, np.array([1.0, np.nan])),
            D=Channel(ValueType.INT64, 2**53 + 1),
            E=Channel(ValueType.STRING, ["a", ""]),
        )
        site.move(A="other", B=0, C=np.array([0.0, 0.0]), D=0, E=["b", "c"])
        _, outcomes = await site.restore(snapshot_id)
        assert set(results(outcomes).values()) == {"restored"}
        assert site.written["D"] == 2**53 + 1
        assert [put.type for put in site.machine.puts][:2] == [ValueType.STRING, ValueType.ENUM]
        np.testing.assert_array_equal(site.written["C"], [1.0, np.nan])


async def test_outcomes_of_other_jobs(site: Site) -> None:
    other = await site.jobs.create("snapshot_create", actor="x")
    with pytest.raises(OutcomesNotFound):
        await site.restores.outcomes(other.id)


async def test_a_stale_value_is_restored_only_when_asked_for(site: Site) -> None:
    site.stand.show(1, double(1.0))
    site.stand.live.suspect([1])
    snapshot = await site.stand.take(pv_ids=(1,))
    site.machine.channels["ca://A"] = double(10.0)
    _, outcomes = await site.restore(snapshot.id)
    assert outcomes.skipped == {Verdict.NOT_CAPTURED: 1}
    await site.restore(snapshot.id, include_stale=True)
    assert site.written == {"A": 1.0}


async def test_no_write_access(site: Site, monkeypatch: Any) -> None:
    snapshot_id = await saved(site)
    site.move(A=10.0)
    real = site.machine.read

    async def without_access(*args: Any, **more: Any) -> Any:
        frame = await real(*args, **more)
        frame.rows["flags"] &= ~np.uint8(Flag.WRITABLE)
        return frame

    monkeypatch.setattr(site.machine, "read", without_access)
    _, outcomes = await site.restore(snapshot_id)
    assert outcomes.skipped == {Verdict.NO_ACCESS: 3}
    assert site.machine.puts == []
