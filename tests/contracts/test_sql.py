"""SQL: one suite over SQLite and MariaDB."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, func, insert, select, text, update

from backend.src.config.settings import SqlSettings
from backend.src.core.errors import Conflict, Invalid, Unavailable
from backend.src.infra.sql import SQL, insert_rows, migrate
from backend.src.infra.sql.migrations import HEAD
from backend.src.infra.sql.tables import api_keys, channels, jobs, metadata, pvs, snapshots, tag_groups, tags, versions

NOW = datetime(2026, 11, 22, 13, 14, 15, 123456, UTC)


def job(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"{number:016x}", "type": "t", "status": "pending", "created_at": NOW, **fields}


async def test_the_migrated_schema_is_that_of_tables_py(sql: SQL) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    assert await sql.read(differences) == []


async def test_migrating_again_does_nothing(sql: SQL, sql_settings: SqlSettings, tmp_path: Path) -> None:
    assert await migrate(sql_settings, tmp_path) == (HEAD, HEAD)


async def test_the_catalogue_has_a_version(sql: SQL) -> None:
    assert await sql.read(lambda connection: connection.execute(select(versions)).all()) == [("catalog", 0)]


async def test_a_write_is_whole_or_nothing(sql: SQL) -> None:
    def half(connection: Connection) -> None:
        connection.execute(insert(channels).values(address="ca://A"))
        raise LookupError("half-way")

    with pytest.raises(LookupError):
        await sql.write(half)
    assert await sql.read(lambda connection: connection.scalar(select(func.count()).select_from(channels))) == 0


async def test_names_differ_by_case_accent_and_form(sql: SQL) -> None:
    names = ["ca://abc", "ca://ABC", "ca://äbc", "ca://a\u0308bc", "ca://\U0001f600", "ca://%_"]
    await sql.write(lambda connection: insert_rows(connection, channels, [{"address": name} for name in names]))
    stored = await sql.read(lambda connection: connection.scalars(select(channels.c.address)).all())
    assert sorted(stored) == sorted(names)


async def test_a_key_that_exists_is_a_conflict(sql: SQL) -> None:
    await sql.write(lambda connection: connection.execute(insert(channels).values(address="ca://A")))
    with pytest.raises(Conflict):
        await sql.write(lambda connection: connection.execute(insert(channels).values(address="ca://A")))


async def test_a_reference_to_nothing_is_a_conflict(sql: SQL) -> None:
    with pytest.raises(Conflict):
        await sql.write(lambda connection: connection.execute(insert(tags).values(group_id=99, name="t")))


async def test_tags_go_with_their_group_and_ids_never_return(sql: SQL) -> None:
    def add(connection: Connection) -> int:
        values = {"name": "g", "created_at": NOW, "modified_at": NOW}
        (group,) = connection.execute(insert(tag_groups).values(values)).inserted_primary_key or (0,)
        connection.execute(insert(tags).values(group_id=group, name="t"))
        return int(group)

    first = await sql.write(add)
    await sql.write(lambda connection: connection.execute(delete(tag_groups)))
    assert await sql.read(lambda connection: connection.scalar(select(func.count()).select_from(tags))) == 0
    assert await sql.write(add) > first


async def test_times_come_back_aware_and_to_the_microsecond(sql: SQL) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    rows = [job(1), job(2, created_at=elsewhere, started_at=NOW.replace(microsecond=0))]
    await sql.write(lambda connection: connection.execute(insert(jobs), [{"started_at": None, **row} for row in rows]))
    query = select(jobs.c.created_at, jobs.c.started_at).order_by(jobs.c.id)
    found = await sql.read(lambda connection: connection.execute(query).all())
    assert found == [(NOW, None), (NOW, NOW.replace(microsecond=0))]
    assert all(row[0].tzinfo is UTC for row in found)
    earlier = select(func.count()).select_from(jobs).where(jobs.c.created_at < NOW + timedelta(microseconds=1))
    assert await sql.read(lambda connection: connection.scalar(earlier)) == 2


async def test_a_naive_time_is_refused(sql: SQL) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(Exception, match="naive"):
        await sql.write(lambda connection: connection.execute(insert(jobs).values(job(1, created_at=naive))))


async def test_json_bytes_and_doubles_come_back_exactly(sql: SQL) -> None:
    data = {"big": 2**80, "text": "ü\udc80\x00 %s", "nan": float("inf"), "list": [None, True, 0.1, -0.0], "": {}}
    blob = bytes(range(256)) * 5000
    values = {
        "id": "s", "title": "t", "labels": ["a", "%(b)s"], "source": "live", "created_at": NOW, "selection": data,
        "archive_key": "k", "sha256": "0", "pv_set": blob, "size_bytes": 2**40,
    }  # fmt: skip
    await sql.write(lambda connection: connection.execute(insert(snapshots).values(values)))
    row = await sql.read(lambda connection: connection.execute(select(snapshots)).mappings().one())
    assert row["selection"] == data
    assert row["labels"] == ["a", "%(b)s"]
    assert row["pv_set"] == blob
    assert row["size_bytes"] == 2**40
    assert row["golden"] is False

    tolerance = 0.1 + 0.2
    await sql.write(
        lambda connection: insert_rows(connection, pvs, [pv(1, abs_tolerance=tolerance, rel_tolerance=5e-324)])
    )
    found = await sql.read(
        lambda connection: connection.execute(select(pvs.c.abs_tolerance, pvs.c.rel_tolerance)).one()
    )
    assert found == (tolerance, 5e-324)


def pv(number: int, **fields: Any) -> dict[str, Any]:
    return {"name": f"PV:{number}", "created_at": NOW, "modified_at": NOW, "created_by": None, **fields}


async def test_null_is_null(sql: SQL) -> None:
    await sql.write(lambda connection: connection.execute(insert(jobs).values(job(1))))
    nothing = select(func.count()).select_from(jobs).where(jobs.c.data.is_(None))
    assert await sql.read(lambda connection: connection.scalar(nothing)) == 1


async def test_many_rows_at_once(sql: SQL) -> None:
    await sql.write(lambda connection: insert_rows(connection, pvs, [pv(number) for number in range(40_000)]))
    assert await sql.read(lambda connection: connection.scalar(select(func.count()).select_from(pvs))) == 40_000
    await sql.write(lambda connection: insert_rows(connection, pvs, []))


async def test_a_text_too_long_is_never_cut(sql: SQL) -> None:
    long = "ca://" + "x" * 300
    try:
        await sql.write(lambda connection: connection.execute(insert(channels).values(address=long)))
    except Invalid:
        return  # MariaDB refuses; SQLite knows no lengths
    assert await sql.read(lambda connection: connection.scalar(select(channels.c.address))) == long


async def test_writers_do_not_lose_each_others_updates(sql: SQL) -> None:
    def raise_it(connection: Connection) -> None:
        value = connection.scalar(select(versions.c.value).where(versions.c.name == "catalog").with_for_update())
        assert value is not None
        connection.execute(update(versions).where(versions.c.name == "catalog").values(value=value + 1))

    await asyncio.gather(*(sql.write(raise_it) for _ in range(40)))
    assert await sql.read(lambda connection: connection.scalar(select(versions.c.value))) == 40


async def test_a_deadlock_is_answered_by_another_try(sql: SQL) -> None:
    """Two writers take two rows in opposite order; SQLite's one writer knows no such thing."""
    names = ["a", "b"]
    await sql.write(
        lambda connection: insert_rows(connection, versions, [{"name": name, "value": 0} for name in names])
    )
    both_have_one = threading.Barrier(2)
    tries = []

    def take(first: str, second: str, connection: Connection) -> None:
        tries.append(first)
        if sql.dialect == "mysql":  # the tests' server would give up after 3 s, and that would be a try more
            connection.execute(text("SET SESSION innodb_lock_wait_timeout = 60"))
        connection.execute(update(versions).where(versions.c.name == first).values(value=versions.c.value + 1))
        if sql.dialect == "mysql" and len(tries) <= 2:
            both_have_one.wait(60)
        connection.execute(update(versions).where(versions.c.name == second).values(value=versions.c.value + 1))

    await asyncio.gather(
        sql.write(lambda connection: take("a", "b", connection)),
        sql.write(lambda connection: take("b", "a", connection)),
    )
    rows = select(versions.c.value).where(versions.c.name.in_(names))
    assert await sql.read(lambda connection: connection.scalars(rows).all()) == [2, 2]
    assert len(tries) == (3 if sql.dialect == "mysql" else 2)


async def test_cancelling_the_caller_does_not_cancel_the_transaction(sql: SQL) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        begun.set()
        go_on.wait(60)
        connection.execute(insert(channels).values(address="ca://A"))

    writing = asyncio.ensure_future(sql.write(slow))
    await asyncio.to_thread(begun.wait, 60)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    go_on.set()
    await sql.stop()
    await sql.start()
    assert await sql.read(lambda connection: connection.scalar(select(func.count()).select_from(channels))) == 1


async def test_more_callers_than_threads(sql: SQL) -> None:
    await asyncio.gather(*(sql.ping() for _ in range(100)))


async def test_one_active_key_a_name(sql: SQL) -> None:
    def key(token: str, active: str | None) -> dict[str, Any]:
        return {
            "app_name": "a",
            "active_name": active,
            "token_hash": token,
            "scopes": ["read"],
            "created_at": NOW,
            "updated_at": NOW,
        }

    await sql.write(
        lambda connection: connection.execute(insert(api_keys), [key("1", None), key("2", None), key("3", "a")])
    )
    with pytest.raises(Conflict):
        await sql.write(lambda connection: connection.execute(insert(api_keys).values(key("4", "a"))))


async def test_a_read_sees_one_state(sql: SQL) -> None:
    """What another commits between two queries of one read does not show."""
    counted, written = threading.Event(), threading.Event()

    def twice(connection: Connection) -> tuple[int | None, int | None]:
        count = select(func.count()).select_from(channels)
        first = connection.scalar(count)
        counted.set()
        written.wait(60)
        return first, connection.scalar(count)

    reading = asyncio.ensure_future(sql.read(twice))
    await asyncio.to_thread(counted.wait, 60)
    await sql.write(lambda connection: connection.execute(insert(channels).values(address="ca://A")))
    written.set()
    assert await reading == (0, 0)


async def test_closed_it_says_so(sql: SQL) -> None:
    await sql.stop()
    await sql.stop()
    with pytest.raises(Unavailable):
        await sql.ping()


async def test_a_fault_of_ours_is_not_hidden(sql: SQL) -> None:
    with pytest.raises(Exception, match="nonsense"):
        await sql.read(lambda connection: connection.execute(text("SELECT * FROM nonsense")))
