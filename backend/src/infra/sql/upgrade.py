"""Alembic, driven without alembic.ini: brings a database to HEAD inside one connection."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from backend.src.core.errors import Busy
from backend.src.infra.sql.tables import metadata

FOLDER = Path(__file__).parent / "migrations"
LOCK = "larder.migrate"
LOCK_WAIT_S = 60
_one_thread = Lock()  # Alembic keeps its context in globals


def upgrade_to_head(connection: Connection) -> None:
    """Applies what is missing, alone: a second process waits, then finds nothing to do. Raises Busy."""
    with _one_thread:
        _take_lock(connection)
        try:
            _run(connection)
        finally:
            _give_lock(connection)


def script() -> ScriptDirectory:
    """The revisions on disk."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def _run(connection: Connection) -> None:
    directory = script()

    def steps(current: Any, _context: MigrationContext) -> list[RevisionStep]:
        return directory._upgrade_revs("head", current)  # as alembic.command.upgrade does

    with EnvironmentContext(Config(), directory, fn=steps, destination_rev="head") as environment:
        environment.configure(connection=connection, target_metadata=metadata, transactional_ddl=False)
        environment.run_migrations()


# SQLite: BEGIN IMMEDIATE is the lock. MySQL ends a transaction at each CREATE TABLE, so it needs a named one.
def _take_lock(connection: Connection) -> None:
    if connection.dialect.name != "mysql":
        return
    if connection.scalar(text("SELECT GET_LOCK(:name, :wait)"), {"name": LOCK, "wait": LOCK_WAIT_S}) != 1:
        raise Busy("another process is migrating the database", remedy="wait for it to end")


def _give_lock(connection: Connection) -> None:
    if connection.dialect.name == "mysql" and not connection.invalidated:
        connection.exec_driver_sql("COMMIT")  # before the next one may look
        connection.execute(text("DO RELEASE_LOCK(:name)"), {"name": LOCK})
