"""Tables read and written as the driver's own tuples: for tens of thousands of rows at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any

from sqlalchemy import Column, Connection, Select, exc

# Of MySQL: 2,000 rows stay far below max_allowed_packet (16 MB).
ROWS_A_STATEMENT = 2000
PARAMETERS_A_STATEMENT = 900  # any SQLite takes 999


def insert_tuples(
    connection: Connection,
    columns: Sequence[Column[Any]],
    rows: Iterable[tuple[Any, ...]],
    *,
    replaces: Sequence[Column[Any]] = (),
) -> None:
    """Inserts rows given as tuples of driver values, in the order of the columns, which belong to one table.

    Where a row's primary key exists, the columns that it `replaces` are updated instead. No default and no
    type of the columns is applied; driver_value does that once for a value that repeats.
    """
    into = f"INSERT INTO {columns[0].table.name} ({', '.join(column.name for column in columns)}) VALUES "
    sqlite = _is_sqlite(connection)
    one = "(" + ", ".join(["?" if sqlite else "%s"] * len(columns)) + ")"
    suffix = _or_update(connection, replaces)
    iterator = iter(rows)
    # both drivers bind many values once in half the time of a few values many times
    while portion := list(islice(iterator, PARAMETERS_A_STATEMENT // len(columns) if sqlite else ROWS_A_STATEMENT)):
        statement = into + ", ".join([one] * len(portion)) + suffix
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(portion)))


def _or_update(connection: Connection, columns: Sequence[Column[Any]]) -> str:
    if not columns:
        return ""
    if _is_sqlite(connection):
        keys = ", ".join(column.name for column in columns[0].table.primary_key)
        return f" ON CONFLICT ({keys}) DO UPDATE SET " + ", ".join(f"{one.name}=excluded.{one.name}" for one in columns)
    return " ON DUPLICATE KEY UPDATE " + ", ".join(f"{one.name}=VALUES({one.name})" for one in columns)


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def driver_value(connection: Connection, column: Column[Any], value: Any) -> Any:
    """A value as the driver wants it for this column: what SQLAlchemy would bind."""
    convert = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    return convert(value) if convert else value


def select_tuples(connection: Connection, query: Select[Any]) -> Sequence[tuple[Any, ...]]:
    """All rows as the driver's tuples, without the conversions of the columns' types; no parameters.

    SQLAlchemy's rows would cost as much again, most of it in the garbage collector, which lets go of plain tuples.
    """
    statement = str(query.compile(dialect=connection.dialect))
    result = connection.exec_driver_sql(statement)
    assert result.cursor is not None  # a SELECT
    try:
        rows: Sequence[tuple[Any, ...]] = result.cursor.fetchall()
    except connection.dialect.loaded_dbapi.Error as error:
        raise exc.OperationalError(statement, None, error) from error
    result.close()
    return rows
