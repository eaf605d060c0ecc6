"""Many rows in few statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, insert

# The driver joins an executemany into one statement: 2,000 rows stay far below max_allowed_packet (16 MB).
ROWS_A_STATEMENT = 2000


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts any number of rows, each with the same keys; ids are not returned. Raises what insert raises."""
    statement = insert(table)
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        connection.execute(statement, list(rows[start : start + ROWS_A_STATEMENT]))


def insert_tuples(connection: Connection, columns: Sequence[Column[Any]], rows: Iterable[tuple[Any, ...]]) -> None:
    """Inserts rows given as tuples of driver values, in the order of the columns, which belong to one table.

    For tens of thousands of rows: insert_rows spends more time on its mappings than the database on the rows. No
    default and no type of the columns is applied; driver_value does that once for a value that repeats.
    """
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    names = ", ".join(column.name for column in columns)
    statement = f"INSERT INTO {columns[0].table.name} ({names}) VALUES ({', '.join([mark] * len(columns))})"
    iterator = iter(rows)
    while portion := list(islice(iterator, ROWS_A_STATEMENT)):
        connection.exec_driver_sql(statement, portion)


def driver_value(connection: Connection, column: Column[Any], value: Any) -> Any:
    """A value as the driver wants it for this column: what SQLAlchemy would bind."""
    convert = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    return convert(value) if convert else value


def select_tuples(connection: Connection, query: Select[Any]) -> Sequence[tuple[Any, ...]]:
    """All rows as the driver gives them, without SQLAlchemy's rows and conversions; the query has no parameters."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(str(query.compile(dialect=connection.dialect)))
        rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
        return rows
    finally:
        cursor.close()
