"""The first schema."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.src.infra.sql.types import JsonText, UtcDateTime, blob, double, long_text, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
IDS: dict[str, Any] = {**MYSQL, "sqlite_autoincrement": True}


def upgrade() -> None:
    _api_keys()
    _channels()
    _doubtful_archives()
    _jobs()
    _locks()
    _snapshots()
    _tag_groups()
    _versions()
    _pvs()
    _snapshot_labels()
    _snapshot_tags()
    _tags()
    _pv_tags()
    op.execute(sa.text("INSERT INTO versions (name, value) VALUES ('catalog', 0)"))


def downgrade() -> None:
    for table in (
        "pv_tags",
        "tags",
        "snapshot_tags",
        "snapshot_labels",
        "pvs",
        "versions",
        "tag_groups",
        "snapshots",
        "locks",
        "jobs",
        "doubtful_archives",
        "channels",
        "api_keys",
    ):
        op.drop_table(table)


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("app_name", text(255), nullable=False),
        sa.Column("active_name", text(255), nullable=True),
        sa.Column("token_hash", text(64), nullable=False),
        sa.Column("scopes", JsonText(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("last_used_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("active_name", name="uq_api_keys_active_name"),
        sa.UniqueConstraint("token_hash", name="uq_api_keys_token_hash"),
        **IDS,
    )


def _channels() -> None:
    op.create_table(
        "channels",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("address", text(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_channels"),
        sa.UniqueConstraint("address", name="uq_channels_address"),
        **IDS,
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", text(16), nullable=False),
        sa.Column("type", text(64), nullable=False),
        sa.Column("status", text(16), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("message", long_text(), nullable=True),
        sa.Column("actor", text(255), nullable=True),
        sa.Column("data", JsonText(), nullable=True),
        sa.Column("result_id", text(64), nullable=True),
        sa.Column("error", long_text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("worker", text(255), nullable=True),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=True),
        sa.Column("abort_requested", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        **MYSQL,
    )
    op.create_index("ix_jobs_created_at_id", "jobs", ["created_at", "id"], unique=False)
    op.create_index("ix_jobs_status", "jobs", ["status"], unique=False)


def _locks() -> None:
    op.create_table(
        "locks",
        sa.Column("name", text(64), nullable=False),
        sa.Column("owner", text(255), nullable=False),
        sa.Column("acquired_at", UtcDateTime(), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_locks"),
        **MYSQL,
    )


def _doubtful_archives() -> None:
    op.create_table(
        "doubtful_archives",
        sa.Column("archive_key", text(255), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("given_up", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("archive_key", name="pk_doubtful_archives"),
        **MYSQL,
    )


def _snapshots() -> None:
    op.create_table(
        "snapshots",
        sa.Column("id", text(16), nullable=False),
        sa.Column("title", text(255), nullable=False),
        sa.Column("description", long_text(), nullable=True),
        sa.Column("labels", JsonText(), nullable=False),
        sa.Column("golden", sa.Boolean(), nullable=False),
        sa.Column("source", text(32), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", text(255), nullable=True),
        sa.Column("selection", JsonText(), nullable=True),
        sa.Column("pv_count", sa.Integer(), nullable=False),
        sa.Column("captured", sa.Integer(), nullable=False),
        sa.Column("stale", sa.Integer(), nullable=False),
        sa.Column("disconnected", sa.Integer(), nullable=False),
        sa.Column("alarm", sa.Integer(), nullable=False),
        sa.Column("archive_key", text(255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", text(64), nullable=False),
        sa.Column("pv_set", blob(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_snapshots"),
        **MYSQL,
    )
    op.create_index("ix_snapshots_created_at_id", "snapshots", ["created_at", "id"], unique=False)


def _tag_groups() -> None:
    op.create_table(
        "tag_groups",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", text(255), nullable=False),
        sa.Column("description", long_text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("modified_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tag_groups"),
        sa.UniqueConstraint("name", name="uq_tag_groups_name"),
        **IDS,
    )


def _versions() -> None:
    op.create_table(
        "versions",
        sa.Column("name", text(64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_versions"),
        **MYSQL,
    )


def _pvs() -> None:
    op.create_table(
        "pvs",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", text(255), nullable=False),
        sa.Column("setpoint_id", sa.Integer(), nullable=True),
        sa.Column("readback_id", sa.Integer(), nullable=True),
        sa.Column("config_id", sa.Integer(), nullable=True),
        sa.Column("device", text(255), nullable=True),
        sa.Column("description", long_text(), nullable=True),
        sa.Column("abs_tolerance", double(), nullable=False),
        sa.Column("rel_tolerance", double(), nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("modified_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", text(255), nullable=True),
        sa.Column("modified_by", text(255), nullable=True),
        sa.ForeignKeyConstraint(["config_id"], ["channels.id"], name="fk_pvs_config_id_channels"),
        sa.ForeignKeyConstraint(["readback_id"], ["channels.id"], name="fk_pvs_readback_id_channels"),
        sa.ForeignKeyConstraint(["setpoint_id"], ["channels.id"], name="fk_pvs_setpoint_id_channels"),
        sa.PrimaryKeyConstraint("id", name="pk_pvs"),
        sa.UniqueConstraint("setpoint_id", name="uq_pvs_setpoint_id"),
        **IDS,
    )
    op.create_index("ix_pvs_config_id", "pvs", ["config_id"], unique=False)
    op.create_index("ix_pvs_device", "pvs", ["device"], unique=False)
    op.create_index("ix_pvs_name", "pvs", ["name"], unique=False)
    op.create_index("ix_pvs_readback_id", "pvs", ["readback_id"], unique=False)


def _snapshot_labels() -> None:
    op.create_table(
        "snapshot_labels",
        sa.Column("snapshot_id", text(16), nullable=False),
        sa.Column("label", text(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["snapshot_id"], ["snapshots.id"], name="fk_snapshot_labels_snapshot_id_snapshots", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("snapshot_id", "label", name="pk_snapshot_labels"),
        **MYSQL,
    )
    op.create_index("ix_snapshot_labels_label", "snapshot_labels", ["label"], unique=False)


def _snapshot_tags() -> None:
    op.create_table(
        "snapshot_tags",
        sa.Column("snapshot_id", text(16), nullable=False),
        sa.Column("tag_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["snapshot_id"], ["snapshots.id"], name="fk_snapshot_tags_snapshot_id_snapshots", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("snapshot_id", "tag_id", name="pk_snapshot_tags"),
        **MYSQL,
    )
    op.create_index("ix_snapshot_tags_tag_id", "snapshot_tags", ["tag_id"], unique=False)


def _tags() -> None:
    op.create_table(
        "tags",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("name", text(255), nullable=False),
        sa.Column("description", long_text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["group_id"], ["tag_groups.id"], name="fk_tags_group_id_tag_groups", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.UniqueConstraint("group_id", "name", name="uq_tags_group_id_name"),
        **IDS,
    )


def _pv_tags() -> None:
    op.create_table(
        "pv_tags",
        sa.Column("pv_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["pv_id"], ["pvs.id"], name="fk_pv_tags_pv_id_pvs", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name="fk_pv_tags_tag_id_tags", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pv_id", "tag_id", name="pk_pv_tags"),
        **MYSQL,
    )
    op.create_index("ix_pv_tags_tag_id", "pv_tags", ["tag_id"], unique=False)
