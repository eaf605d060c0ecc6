"""The catalogue's version: a number that grows with every change, and the lock that keeps writers in a row.

It grows by chance, so that it names one state of one database: in steps of one, another database, or one that was
put back from a dump and changed anew, would give a client's number to another state.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import mysql, sqlite

from backend.src.infra.sql.tables import versions

CATALOG = "catalog"
LONGEST_STEP = 2**32  # four thousand million changes until the column is full


def lock(connection: Connection) -> None:
    """Waits until no other transaction changes the catalogue; first statement of every one that does.

    What is read after it is the newest state, so that checks for duplicates hold until the commit, and ids
    grow in the order of commits.
    """
    row = {"name": CATALOG, "value": 0}
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(versions).values(row).on_conflict_do_nothing())
    else:
        connection.execute(mysql.insert(versions).values(row).on_duplicate_key_update(value=versions.c.value))


def bump(connection: Connection) -> int:
    """Raises the version within the caller's transaction and returns it."""
    step = 1 + secrets.randbelow(LONGEST_STEP)
    connection.execute(update(versions).where(versions.c.name == CATALOG).values(value=versions.c.value + step))
    return current(connection)


def current(connection: Connection) -> int:
    """The version, 0 when nothing was ever written."""
    return connection.execute(select(versions.c.value).where(versions.c.name == CATALOG)).scalar() or 0
