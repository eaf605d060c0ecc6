"""One migrated database of each kind for a whole module, emptied before each test: migrating takes most of the time.

The fixtures are known to every test here, through conftest.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from backend.src.config.settings import SqlSettings
from backend.src.infra.sql import SQL, migrate
from backend.src.infra.sql.tables import api_keys, audit, users


@dataclass(frozen=True)
class Database:
    """Where it is."""

    settings: SqlSettings
    folder: Path


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def shared_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """An SQLite file, a database of MariaDB."""
    settings = SqlSettings(threads=4)
    if request.param == "mariadb":
        settings = request.getfixturevalue("mariadb").database()
    shared = Database(settings, tmp_path_factory.mktemp("database"))
    asyncio.run(migrate(shared.settings, shared.folder))
    return shared


@pytest.fixture
async def shared_sql(shared_database: Database) -> AsyncIterator[SQL]:
    """A started SQL without a cache; no keys, no people, no audit trail."""
    sql: SQL = SQL.build(shared_database.settings, shared_database.folder)
    await sql.start()
    await sql.write(_empty)
    yield sql
    await sql.stop()


def _empty(connection: Connection) -> None:
    for table in (api_keys, audit, users):
        connection.execute(delete(table))
