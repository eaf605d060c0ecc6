"""The database: SQLite, MySQL or MariaDB."""

from backend.src.infra.sql.bulk import insert_rows
from backend.src.infra.sql.figures import BOUNDS_S, Outcome, SqlFigures
from backend.src.infra.sql.row_cache import CacheKind, RowCache
from backend.src.infra.sql.schema import migrate, revisions
from backend.src.infra.sql.sql import SQL
from backend.src.infra.sql.write_through import CachedQuery

__all__ = [
    "BOUNDS_S",
    "SQL",
    "CacheKind",
    "CachedQuery",
    "Outcome",
    "RowCache",
    "SqlFigures",
    "insert_rows",
    "migrate",
    "revisions",
]
