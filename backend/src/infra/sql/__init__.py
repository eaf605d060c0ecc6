"""The database: SQLite, MySQL or MariaDB."""

from backend.src.infra.sql.bulk import insert_rows
from backend.src.infra.sql.row_cache import CacheKind, RowCache
from backend.src.infra.sql.sql import SQL

__all__ = ["SQL", "CacheKind", "RowCache", "insert_rows"]
