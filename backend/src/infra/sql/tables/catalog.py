"""What the machine consists of: channels, PVs, tags."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, Table, UniqueConstraint

from backend.src.infra.sql.tables.base import IDS, MYSQL, NAME, metadata
from backend.src.infra.sql.types import UtcDateTime, double, long_text, text

channels = Table(
    "channels",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),  # the slot; never deleted
    Column("address", text(NAME), nullable=False, unique=True),
    **IDS,
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
    **IDS,
)

tag_groups = Table(
    "tag_groups",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", text(NAME), nullable=False, unique=True),
    Column("description", long_text()),
    Column("created_at", UtcDateTime, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    **IDS,
)

tags = Table(
    "tags",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("group_id", ForeignKey("tag_groups.id", ondelete="CASCADE"), nullable=False),
    Column("name", text(NAME), nullable=False),
    Column("description", long_text()),
    UniqueConstraint("group_id", "name"),
    **IDS,
)

pv_tags = Table(
    "pv_tags",
    metadata,
    Column("pv_id", ForeignKey("pvs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("tag_id", ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True),
    **MYSQL,
)

# 'catalog' is raised inside every transaction that changes channels, pvs or tags.
versions = Table(
    "versions",
    metadata,
    Column("name", text(64), primary_key=True),
    Column("value", BigInteger, nullable=False, default=0),
    **MYSQL,
)
