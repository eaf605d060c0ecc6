"""Snapshots: what is searched of them; the values are in archives."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table

from backend.src.infra.sql.tables.base import ID, MYSQL, NAME, metadata
from backend.src.infra.sql.types import JsonText, UtcDateTime, blob, long_text, text

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", text(ID), primary_key=True),
    Column("title", text(NAME), nullable=False),
    Column("description", long_text()),
    Column("labels", JsonText, nullable=False, default=list),
    Column("golden", Boolean, nullable=False, default=False),
    Column("source", text(32), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", text(NAME)),
    Column("selection", JsonText),
    Column("pv_count", Integer, nullable=False, default=0),
    Column("captured", Integer, nullable=False, default=0),
    Column("stale", Integer, nullable=False, default=0),
    Column("disconnected", Integer, nullable=False, default=0),
    Column("alarm", Integer, nullable=False, default=0),
    Column("archive_key", text(NAME), nullable=False),
    Column("size_bytes", BigInteger, nullable=False, default=0),
    Column("sha256", text(64), nullable=False),
    Column("cameras", JsonText),
    Column("pv_set", blob()),
    Index("ix_snapshots_created_at_id", "created_at", "id"),
    **MYSQL,
)

snapshot_labels = Table(
    "snapshot_labels",
    metadata,
    Column("snapshot_id", ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True),
    Column("label", text(NAME), primary_key=True, index=True),
    **MYSQL,
)

# tags that PVs of a snapshot had when it was made; no reference to tags, which may be deleted since
snapshot_tags = Table(
    "snapshot_tags",
    metadata,
    Column("snapshot_id", ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", Integer, primary_key=True, autoincrement=False, index=True),
    **MYSQL,
)

# Archives that this database put, or began to put, into the bucket, and that no snapshot names.
doubtful_archives = Table(
    "doubtful_archives",
    metadata,
    Column("archive_key", text(NAME), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("given_up", Boolean, nullable=False),
    **MYSQL,
)
