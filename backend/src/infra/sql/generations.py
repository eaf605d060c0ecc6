"""The generation of each table that is cached: raised in the very transaction that writes to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, select
from sqlalchemy.dialects import mysql, sqlite

from backend.src.infra.sql.tables import versions

PREFIX = "table:"


def read_generations(connection: Connection) -> dict[str, int]:
    """The generation of every table that was ever raised; the others are at 0."""
    rows = connection.execute(select(versions.c.name, versions.c.value).where(versions.c.name.startswith(PREFIX)))
    return {name.removeprefix(PREFIX): value for name, value in rows}


def raise_generations(connection: Connection, tables: Collection[str]) -> Mapping[str, int]:
    """Raises those of `tables` by one, and returns all as this transaction sees them.

    Call it first in the transaction: the rows stay locked until the commit, so writers of one table follow one
    another, and what this transaction reads (InnoDB takes its snapshot at the first plain SELECT, which comes
    after the lock) holds all that earlier generations wrote.
    """
    for table in sorted(tables):  # in one order everywhere: no deadlock among writers
        connection.execute(_raise_one(connection.dialect.name, PREFIX + table))
    return read_generations(connection)


def _raise_one(dialect: str, name: str) -> mysql.Insert | sqlite.Insert:
    if dialect == "mysql":
        return mysql.insert(versions).values(name=name, value=1).on_duplicate_key_update(value=versions.c.value + 1)
    return (
        sqlite.insert(versions)
        .values(name=name, value=1)
        .on_conflict_do_update(index_elements=[versions.c.name], set_={"value": versions.c.value + 1})
    )
