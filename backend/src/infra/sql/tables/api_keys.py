"""The keys of programs."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, Table

from backend.src.infra.sql.tables.base import IDS, NAME, metadata
from backend.src.infra.sql.types import JsonText, UtcDateTime, text

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("app_name", text(NAME), nullable=False),
    # the name while the key is active, NULL once it is revoked or rotated: unique without a partial index
    Column("active_name", text(NAME), unique=True),
    Column("token_hash", text(64), nullable=False, unique=True),
    Column("prefix", text(16)),  # how the token begins; NULL: made before it was kept
    Column("scopes", JsonText, nullable=False),
    Column("is_active", Boolean, nullable=False, default=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    Column("created_by", text(NAME)),
    Column("created_by_id", Integer, index=True),  # the person, themselves or by a key of theirs; NULL: none
    Column("addresses", JsonText),  # networks that it may be used from; NULL: any
    Column("rotated_to", Integer),  # the key that took its place
    Column("replaces", Integer),  # the key that ends when this one is used for the first time
    **IDS,
)
