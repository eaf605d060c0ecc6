"""The engine: SQLite in the data folder, or MySQL/MariaDB through mysql-connector-python."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from backend.src.config.settings import SqlSettings
from backend.src.core.errors import StartFailed
from backend.src.infra.sql.types import CHARSET, COLLATION

DATABASE_FILE = "larder.sqlite3"
WRITING = "larder_writing"  # execution option: this transaction will write
BUSY_TIMEOUT_S = 10.0
# a server that hangs, or a network that swallows packets, must not hold a thread for ever; longer than any statement of
# ours may wait for a lock (InnoDB 50 s, a migration 60 s)
ANSWER_TIMEOUT_S = 90
RECYCLE_S = 1800.0  # below the eight hours after which the server drops an idle connection, and below most proxies
SQL_MODE = ["STRICT_TRANS_TABLES", "ERROR_FOR_DIVISION_BY_ZERO", "NO_ENGINE_SUBSTITUTION"]  # nothing is cut silently

# FULL: an acknowledged snapshot outlives a power cut, not only a killed process. Writes come at human speed,
# so an fsync each (about a millisecond) is not felt.
PRAGMAS = ("synchronous=FULL", "foreign_keys=ON", f"busy_timeout={int(BUSY_TIMEOUT_S * 1000)}")
WAL_PAUSE_S = 0.02


def make_engine(settings: SqlSettings, data_dir: Path) -> Engine:
    """The engine for these settings; connects nowhere yet. Raises StartFailed when DATA_DIR cannot be made."""
    return _sqlite(settings, data_dir) if settings.embedded else _mysql(settings)


def _sqlite(settings: SqlSettings, data_dir: Path) -> Engine:
    _make_folder(data_dir)
    engine = create_engine(
        URL.create("sqlite", database=str(data_dir / DATABASE_FILE)),
        pool_size=settings.threads + 1,  # the readers and the writer
        max_overflow=0,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S, "isolation_level": None},
    )
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _make_folder(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartFailed(f"cannot make the folder {data_dir}: {error}", remedy="correct DATA_DIR") from error


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    _use_wal(cursor)
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Once for the file's life. SQLite does not wait here: whoever meets another's first write is refused at once."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(WAL_PAUSE_S)


def _begin(connection: Connection) -> None:
    # IMMEDIATE: a transaction that reads first and writes later would fail at once when another has written between
    writing = connection.get_execution_options().get(WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _mysql(settings: SqlSettings) -> Engine:
    url = URL.create(
        "mysql+mysqlconnector",
        username=settings.user,
        password=settings.password.reveal() or None,
        host=settings.host,
        port=settings.port,
        database=settings.database,
    )
    return create_engine(
        url,
        pool_size=settings.threads,
        max_overflow=0,
        pool_pre_ping=True,
        pool_recycle=RECYCLE_S,
        connect_args=_mysql_arguments(settings),
    )


def _mysql_arguments(settings: SqlSettings) -> dict[str, Any]:
    return {
        "charset": CHARSET,
        "collation": COLLATION,
        "time_zone": "+00:00",
        "sql_mode": SQL_MODE,
        "connection_timeout": max(1, round(settings.connect_timeout_s)),
        "read_timeout": ANSWER_TIMEOUT_S,
        "write_timeout": ANSWER_TIMEOUT_S,
    }
