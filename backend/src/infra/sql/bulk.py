"""Many rows in few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, insert

# The driver joins an executemany into one statement: 2,000 rows stay far below max_allowed_packet (16 MB).
ROWS_A_STATEMENT = 2000


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts any number of rows, each with the same keys; ids are not returned. Raises what insert raises."""
    statement = insert(table)
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        connection.execute(statement, list(rows[start : start + ROWS_A_STATEMENT]))
