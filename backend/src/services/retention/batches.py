"""Deleting many rows without holding a lock for long: some at a time, by their keys, with a breath between."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Delete, Select, delete, select

from backend.src.infra.sql import SQL

ROWS_AT_ONCE = 500
BREATH_S = 0.02  # for the others: SQLite has one writer at a time


async def delete_all(
    sql: SQL, key: Column[Any], condition: ColumnElement[bool], *, touches: Collection[str] = ()
) -> int:
    """Deletes the rows that meet the condition, and returns how many. key: the table's primary key.

    By key, because a DELETE by condition makes InnoDB lock every row that it looks at.
    """
    total = 0
    while True:
        chosen = select(key).where(condition).order_by(key).limit(ROWS_AT_ONCE)
        keys = await sql.read(partial(_keys, chosen=chosen))
        if not keys:
            return total
        # the condition again: a row may have changed since it was chosen
        deleted = await sql.write(
            partial(_delete, gone=delete(key.table).where(key.in_(keys), condition)), touches=touches
        )
        total += deleted
        if len(keys) < ROWS_AT_ONCE or not deleted:
            return total
        await asyncio.sleep(BREATH_S)


def _keys(connection: Connection, chosen: Select[Any]) -> list[Any]:
    return list(connection.scalars(chosen))


def _delete(connection: Connection, gone: Delete) -> int:
    return connection.execute(gone).rowcount


def counted(**numbers: int) -> str:
    """Such as "removed 3 sessions, 1 code", "" when nothing was. A name is a plural; underscores are blanks."""
    parts = [f"{number} {name.replace('_', ' ')}" for name, number in numbers.items() if number]
    return f"removed {', '.join(parts)}" if parts else ""
