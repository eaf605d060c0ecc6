"""What all tables share: one MetaData, how constraints are named, lengths, and the engine's options."""

from __future__ import annotations

from typing import Any

from sqlalchemy import MetaData

from backend.src.infra.sql.types import CHARSET, COLLATION

NAME = 255
ID = 16
HASH = 64  # a SHA-256 in hexadecimal digits

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": CHARSET, "mysql_collate": COLLATION}
# An id is never given out twice, even after its row was deleted: snapshots and journals remember ids.
IDS: dict[str, Any] = {**MYSQL, "sqlite_autoincrement": True}
