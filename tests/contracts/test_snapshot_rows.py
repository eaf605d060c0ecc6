"""Snapshots in SQL and the lock of restores, over both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, update

from backend.src.core.errors import Busy
from backend.src.infra.epics.address import Protocol
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import channels, jobs
from backend.src.services.restore.restore_lock import RestoreLock
from backend.src.services.snapshots import Snapshot, SnapshotFilter, SnapshotGolden, SnapshotNotFound, snapshot_rows
from backend.src.services.snapshots.capture import Counts
from tests.manual_clock import START


def snapshot(number: int, **more: Any) -> Snapshot:
    fields: dict[str, Any] = {
        "id": f"{number:016x}",
        "title": f"number {number}",
        "description": None,
        "labels": (),
        "golden": False,
        "source": "live",
        "created_at": START + timedelta(microseconds=number // 2),
        "created_by": "somebody",
        "selection": {"pvPattern": "*"},
        "pv_count": 3,
        "counts": Counts(1, 1, 1, 0),
        "archive_key": f"snapshots/{number:016x}.parquet",
        "size_bytes": 2**40,
        "sha256": "0" * 64,
    }
    return Snapshot(**(fields | more))


async def add(sql: SQL, made: Snapshot, slots: tuple[int, ...] = (1,), tags: tuple[int, ...] = ()) -> Snapshot:
    await sql.write(lambda db: snapshot_rows.add(db, made, slots, tags))
    return made


async def found(sql: SQL, **narrowed: Any) -> list[str]:
    page = await sql.read(
        lambda db: snapshot_rows.page(db, SnapshotFilter(**narrowed), Protocol.CA, after=None, limit=100)
    )
    return [one.title for one in page.snapshots]


async def test_a_snapshot_comes_back_as_it_was(sql: SQL) -> None:
    made = await add(sql, snapshot(1, labels=("b", "a"), description="Größe µ 🙂", title="日本"))
    assert await sql.read(lambda db: snapshot_rows.get(db, made.id)) == made


async def test_filters(sql: SQL) -> None:
    rows = [{"id": 1, "address": "ca://Q:A"}, {"id": 2, "address": "ca://q:a"}, {"id": 900, "address": "pva://Q_A%"}]
    await sql.write(lambda db: db.execute(insert(channels), rows) and None)
    await add(sql, snapshot(1, title="Tune 50% of_it", labels=("good",)), slots=(1, 900))
    await add(sql, snapshot(2, title="night shift", golden=True, created_by=None), slots=(2,), tags=(4, 5))
    assert await found(sql) == ["night shift", "Tune 50% of_it"]
    assert await found(sql, title="NIGHT") == ["night shift"]
    assert await found(sql, title="night_") == []
    assert await found(sql, title="50%") == ["Tune 50% of_it"]
    assert await found(sql, label="good") == ["Tune 50% of_it"]
    assert await found(sql, label="Good") == []
    assert await found(sql, golden=True) == ["night shift"]
    assert await found(sql, golden=False) == ["Tune 50% of_it"]
    assert await found(sql, tag_ids=(5, 6)) == ["night shift"]
    assert await found(sql, created_by="somebody") == ["Tune 50% of_it"]
    assert await found(sql, contains_pv="Q:A") == ["Tune 50% of_it"]
    assert await found(sql, contains_pv="q:?") == ["night shift"]
    assert await found(sql, contains_pv="pva://Q_A%") == ["Tune 50% of_it"]
    assert await found(sql, contains_pv="pva://Q_*") == ["Tune 50% of_it"]
    assert await found(sql, contains_pv="NONE") == []


@pytest.mark.parametrize("contains_pv", [None, "Q:A"])
async def test_pages_have_neither_gaps_nor_repeats(sql: SQL, contains_pv: str | None) -> None:
    await sql.write(lambda db: db.execute(insert(channels).values(id=1, address="ca://Q:A")) and None)
    for number in range(7):
        await add(sql, snapshot(number))  # two at every moment
    seen: list[str] = []
    after = None
    narrowed = SnapshotFilter(contains_pv=contains_pv)
    while True:
        page = await sql.read(partial(snapshot_rows.page, narrowed=narrowed, default=Protocol.CA, after=after, limit=3))
        seen += [one.title for one in page.snapshots]
        after = page.next_after
        if after is None:
            break
    assert seen == [f"number {number}" for number in reversed(range(7))]


async def test_changes_and_deletion(sql: SQL) -> None:
    made = await add(sql, snapshot(1, labels=("a", "b")), tags=(1,))
    changed = await sql.write(lambda db: snapshot_rows.change(db, made.id, {"labels": ("b", "c"), "golden": True}))
    assert (changed.labels, changed.golden) == (("b", "c"), True)
    assert await found(sql, label="a") == []
    with pytest.raises(SnapshotGolden):
        await sql.write(lambda db: snapshot_rows.remove(db, made.id))
    await sql.write(lambda db: snapshot_rows.change(db, made.id, {"golden": False}))
    await sql.write(lambda db: snapshot_rows.change(db, made.id, {"golden": False}))  # to the same value again
    assert await sql.write(lambda db: snapshot_rows.remove(db, made.id)) == made.archive_key
    with pytest.raises(SnapshotNotFound):
        await sql.write(lambda db: snapshot_rows.remove(db, made.id))


async def begin(sql: SQL, job_id: str, status: str = "running") -> None:
    row = {"id": job_id, "type": "snapshot_restore", "status": status, "created_at": START}
    await sql.write(lambda db: db.execute(insert(jobs).values(row)) and None)


async def end(sql: SQL, job_id: str) -> None:
    await sql.write(lambda db: db.execute(update(jobs).where(jobs.c.id == job_id).values(status="failed")) and None)


async def test_the_lock_has_one_holder(sql: SQL) -> None:
    lock = RestoreLock(sql)
    ids = [f"{number:016x}" for number in range(8)]
    for job_id in ids:
        await begin(sql, job_id)
    await lock.check_free()
    answers = await asyncio.gather(*(lock.acquire(job_id, START) for job_id in ids), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Busy"] * 7 + ["NoneType"]
    holder = ids[answers.index(None)]
    await lock.acquire(holder, START)
    with pytest.raises(Busy, match=holder):
        await lock.check_free()


async def test_the_lock_is_free_once_its_job_has_ended(sql: SQL) -> None:
    lock = RestoreLock(sql)
    await begin(sql, "a" * 16)
    await begin(sql, "b" * 16, "pending")
    await lock.acquire("a" * 16, START)
    with pytest.raises(Busy):
        await lock.acquire("b" * 16, START)
    await end(sql, "a" * 16)  # as the reaper does for a process that died
    await lock.acquire("b" * 16, START)
    await lock.release("a" * 16)  # which it does not hold any more
    with pytest.raises(Busy):
        await lock.check_free()
    await lock.release("b" * 16)
    await lock.check_free()
