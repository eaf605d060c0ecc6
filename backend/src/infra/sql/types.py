"""Column types that mean the same on SQLite, MySQL and MariaDB."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Double, LargeBinary, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator

# Binary comparison: PV names are case-sensitive. utf8mb4_bin is known to MySQL and MariaDB alike, while the
# driver's own choice (utf8mb4_0900_ai_ci) is refused by MariaDB.
CHARSET = "utf8mb4"
COLLATION = "utf8mb4_bin"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC with microseconds; a naive one is a ValueError."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: Larder keeps aware UTC times only")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class JsonText(TypeDecorator[Any]):
    """A JSON value as text: ints of any size and NaN survive, and both engines see the same column.

    Not the server's own JSON type: MariaDB has none (it is a LONGTEXT there), and ours is never searched by SQL.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "mysql":
            return dialect.type_descriptor(mysql.LONGTEXT(collation=COLLATION))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        # ASCII only: a lone surrogate (text that was no UTF-8) travels as \udcXX
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def text(length: int) -> String:
    """Text of at most `length` characters, comparing binary."""
    return String(length).with_variant(mysql.VARCHAR(length, collation=COLLATION), "mysql")


def long_text() -> Text:
    """Text of any length, comparing binary."""
    return Text().with_variant(mysql.MEDIUMTEXT(collation=COLLATION), "mysql")


def blob() -> LargeBinary:
    """Bytes, up to 4 GB."""
    return LargeBinary().with_variant(mysql.LONGBLOB(), "mysql")


def double() -> Double[float]:
    """An IEEE 754 double."""
    return Double()
