"""Long work and what runs alone."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table

from backend.src.infra.sql.tables.base import ID, MYSQL, NAME, metadata
from backend.src.infra.sql.types import JsonText, UtcDateTime, long_text, text

jobs = Table(
    "jobs",
    metadata,
    Column("id", text(ID), primary_key=True),
    Column("type", text(64), nullable=False),
    Column("status", text(16), nullable=False, index=True),
    Column("progress", Integer, nullable=False, default=0),
    Column("message", long_text()),
    Column("actor", text(NAME)),
    Column("data", JsonText),
    Column("result_id", text(64)),
    Column("error", long_text()),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("worker", text(NAME)),
    Column("heartbeat_at", UtcDateTime),
    Column("abort_requested", Boolean, nullable=False, default=False),
    Index("ix_jobs_created_at_id", "created_at", "id"),
    **MYSQL,
)

locks = Table(
    "locks",
    metadata,
    Column("name", text(64), primary_key=True),
    Column("owner", text(NAME), nullable=False),
    Column("acquired_at", UtcDateTime, nullable=False),
    Column("heartbeat_at", UtcDateTime, nullable=False),
    **MYSQL,
)
