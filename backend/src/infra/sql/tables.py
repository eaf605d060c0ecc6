"""Every table of Larder.

A change here is a new revision in migrations/ too; a contract test compares the two on both engines.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, Table, UniqueConstraint

from backend.src.infra.sql.types import CHARSET, COLLATION, JsonText, UtcDateTime, blob, double, long_text, text

NAME = 255
ID = 16

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# An id is never given out twice, even after its row was deleted: snapshots and journals remember ids.
_MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": CHARSET, "mysql_collate": COLLATION}
_IDS: dict[str, Any] = {**_MYSQL, "sqlite_autoincrement": True}

channels = Table(
    "channels",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),  # the slot; never deleted
    Column("address", text(NAME), nullable=False, unique=True),
    **_IDS,
)

pvs = Table(
    "pvs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", text(NAME), nullable=False, index=True),
    Column("setpoint_id", ForeignKey("channels.id"), unique=True),
    Column("readback_id", ForeignKey("channels.id"), index=True),
    Column("config_id", ForeignKey("channels.id"), index=True),
    Column("device", text(NAME), index=True),
    Column("description", long_text()),
    Column("abs_tolerance", double(), nullable=False, default=0.0),
    Column("rel_tolerance", double(), nullable=False, default=0.0),
    Column("read_only", Boolean, nullable=False, default=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    Column("created_by", text(NAME)),
    Column("modified_by", text(NAME)),
    **_IDS,
)

tag_groups = Table(
    "tag_groups",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", text(NAME), nullable=False, unique=True),
    Column("description", long_text()),
    Column("created_at", UtcDateTime, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    **_IDS,
)

tags = Table(
    "tags",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("group_id", ForeignKey("tag_groups.id", ondelete="CASCADE"), nullable=False),
    Column("name", text(NAME), nullable=False),
    Column("description", long_text()),
    UniqueConstraint("group_id", "name"),
    **_IDS,
)

pv_tags = Table(
    "pv_tags",
    metadata,
    Column("pv_id", ForeignKey("pvs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("tag_id", ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True),
    **_MYSQL,
)

# 'catalog' is raised inside every transaction that changes channels, pvs or tags.
versions = Table(
    "versions",
    metadata,
    Column("name", text(64), primary_key=True),
    Column("value", BigInteger, nullable=False, default=0),
    **_MYSQL,
)

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
    Column("pv_set", blob()),
    Index("ix_snapshots_created_at_id", "created_at", "id"),
    **_MYSQL,
)

snapshot_labels = Table(
    "snapshot_labels",
    metadata,
    Column("snapshot_id", ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True),
    Column("label", text(NAME), primary_key=True, index=True),
    **_MYSQL,
)

# tags that PVs of a snapshot had when it was made; no reference to tags, which may be deleted since
snapshot_tags = Table(
    "snapshot_tags",
    metadata,
    Column("snapshot_id", ForeignKey("snapshots.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", Integer, primary_key=True, autoincrement=False, index=True),
    **_MYSQL,
)

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
    **_MYSQL,
)

# Archives that this database put, or began to put, into the bucket, and that no snapshot names.
doubtful_archives = Table(
    "doubtful_archives",
    metadata,
    Column("archive_key", text(NAME), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("given_up", Boolean, nullable=False),
    **_MYSQL,
)

locks = Table(
    "locks",
    metadata,
    Column("name", text(64), primary_key=True),
    Column("owner", text(NAME), nullable=False),
    Column("acquired_at", UtcDateTime, nullable=False),
    Column("heartbeat_at", UtcDateTime, nullable=False),
    **_MYSQL,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("app_name", text(NAME), nullable=False),
    # the name while the key is active, NULL afterwards: unique among the active ones without a partial index
    Column("active_name", text(NAME), unique=True),
    Column("token_hash", text(64), nullable=False, unique=True),
    Column("scopes", JsonText, nullable=False),
    Column("is_active", Boolean, nullable=False, default=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
    **_IDS,
)
