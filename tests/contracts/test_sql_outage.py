"""A database that is away, comes back, or refuses; each error names what to do."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from backend.src.config.settings import Secret, SqlSettings
from backend.src.core.errors import StartFailed, Unavailable
from backend.src.infra.sql import SQL, engine, migrate
from backend.src.infra.sql.engine import DATABASE_FILE
from backend.src.infra.sql.tables import channels
from tests.servers.mariadb import MariaDb, running_mariadb
from tests.servers.ports import free_port


@pytest.fixture
def own_mariadb() -> Iterator[MariaDb]:
    with running_mariadb() as server:
        yield server


async def refusal(settings: SqlSettings, folder: Path) -> StartFailed:
    sql = SQL.build(settings, folder)
    with pytest.raises(StartFailed) as caught:
        await sql.start()
    with pytest.raises(Unavailable):
        await sql.ping()
    return caught.value


async def test_it_works_again_after_the_server_came_back(own_mariadb: MariaDb, tmp_path: Path) -> None:
    settings = own_mariadb.database()
    await migrate(settings, tmp_path)
    sql = SQL.build(settings, tmp_path)
    await sql.start()
    try:
        await asyncio.gather(*(sql.ping() for _ in range(settings.threads)))
        own_mariadb.kill()
        with pytest.raises(Unavailable) as caught:
            await sql.ping()
        assert "DB_HOST" in str(caught.value.remedy)
        assert "DB_PORT" in str(caught.value.remedy)
        with pytest.raises(Unavailable):
            await sql.write(lambda connection: connection.execute(insert(channels).values(address="ca://A")))
        own_mariadb.start()
        await asyncio.gather(*(sql.ping() for _ in range(settings.threads)))
        own_mariadb.kill()
        own_mariadb.start()  # so quickly that nobody has noticed
        await sql.write(lambda connection: connection.execute(insert(channels).values(address="ca://A")))
    finally:
        await sql.stop()


async def test_a_server_that_hangs_holds_nobody_for_ever(
    own_mariadb: MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = own_mariadb.database()
    await migrate(settings, tmp_path)  # which may well take longer than a second
    monkeypatch.setattr(engine, "ANSWER_TIMEOUT_S", 1)
    settings = dataclasses.replace(settings, connect_timeout_s=1.0)
    sql = SQL.build(settings, tmp_path)
    await sql.start()
    try:
        await sql.ping()
        own_mariadb.freeze()
        try:
            async with asyncio.timeout(60):  # without the limit it would be 90 s for each
                with pytest.raises(Unavailable):
                    await sql.write(lambda connection: connection.scalar(text("SELECT 1")))
                with pytest.raises(Unavailable):
                    await sql.ping()
        finally:
            own_mariadb.thaw()
        await sql.ping()
    finally:
        await sql.stop()


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    error = await refusal(SqlSettings(host="127.0.0.1", port=free_port()), tmp_path)
    assert "DB_HOST" in str(error.remedy)


async def test_a_wrong_password(mariadb: MariaDb, tmp_path: Path) -> None:
    error = await refusal(dataclasses.replace(mariadb.database(), password=Secret("wrong")), tmp_path)
    assert error.remedy == "correct DB_USER and DB_PASSWORD"
    assert "wrong" not in error.message


async def test_a_database_that_does_not_exist(mariadb: MariaDb, tmp_path: Path) -> None:
    error = await refusal(mariadb.settings("nowhere"), tmp_path)
    assert "DB_DATABASE" in str(error.remedy)


async def test_an_external_database_is_not_migrated_unasked(mariadb: MariaDb, tmp_path: Path) -> None:
    error = await refusal(mariadb.database(), tmp_path)
    assert error.remedy == "run `python -m backend.src migrate`"


async def test_two_may_migrate_at_once(mariadb: MariaDb, tmp_path: Path) -> None:
    settings = mariadb.database()
    await asyncio.gather(*(migrate(settings, tmp_path) for _ in range(3)))
    await asyncio.gather(*(migrate(SqlSettings(), tmp_path) for _ in range(3)))


async def test_a_start_waits_for_another_that_makes_the_file(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asyncio.get_running_loop().call_later(0.2, other.execute, "ROLLBACK")
        await migrate(SqlSettings(), tmp_path)


async def test_a_schema_of_a_newer_larder_is_left_alone(sql_settings: SqlSettings, tmp_path: Path) -> None:
    sql = SQL.build(sql_settings, tmp_path)
    await sql.start()
    await sql.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await sql.stop()
    assert "newer" in (await refusal(sql_settings, tmp_path)).message


async def test_an_embedded_start_at_head_is_quick(tmp_path: Path) -> None:
    await migrate(SqlSettings(), tmp_path)
    took_s = []
    for _ in range(5):
        sql = SQL.build(SqlSettings(), tmp_path)
        started = time.perf_counter()
        await sql.start()
        took_s.append(time.perf_counter() - started)
        await sql.stop()
    assert min(took_s) < 0.05


@pytest.mark.parametrize("content", [b"this is no database" * 300, b"SQLite format 3\0" + b"\xff" * 8000])
async def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(content)
    error = await refusal(SqlSettings(), tmp_path)
    assert "DATA_DIR" in str(error.remedy)


async def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    error = await refusal(SqlSettings(), tmp_path / "data")
    assert "DATA_DIR" in str(error.remedy)


async def test_another_program_that_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.src.infra.sql.engine.PRAGMAS", ("foreign_keys=ON", "busy_timeout=50"))
    one, other = SQL.build(SqlSettings(), tmp_path), SQL.build(SqlSettings(), tmp_path)
    await one.start()
    await other.start()

    held, go_on = threading.Event(), threading.Event()

    def hold(connection: object) -> None:
        held.set()
        go_on.wait(60)

    holding = asyncio.ensure_future(one.write(hold))
    assert await asyncio.to_thread(held.wait, 60)
    with pytest.raises(Unavailable, match="locked"):
        await other.write(lambda connection: connection.execute(insert(channels).values(address="ca://A")))
    go_on.set()
    await holding
    await one.stop()
    await other.stop()
