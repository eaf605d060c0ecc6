"""People, sessions, what they may do and did, what runs by itself, outgoing mail."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from backend.src.infra.sql.types import JsonText, UtcDateTime, blob, double, long_text, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
IDS: dict[str, Any] = {**MYSQL, "sqlite_autoincrement": True}

NEW_TABLES = (
    "users",
    "one_time_codes",
    "login_failures",
    "identities",
    "sessions",
    "refresh_tokens",
    "signing_keys",
    "login_attempts",
    "authorization_codes",
    "audit",
    "crons",
    "retention_rules",
    "outbox",
)
NEW_COLUMNS = ("prefix", "created_by", "created_by_id", "addresses", "rotated_to", "replaces")


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("prefix", text(16), nullable=True))
    op.add_column("api_keys", sa.Column("created_by", text(255), nullable=True))
    op.add_column("api_keys", sa.Column("created_by_id", sa.Integer(), nullable=True))
    op.create_index("ix_api_keys_created_by_id", "api_keys", ["created_by_id"], unique=False)
    op.add_column("api_keys", sa.Column("addresses", JsonText(), nullable=True))
    op.add_column("api_keys", sa.Column("rotated_to", sa.Integer(), nullable=True))
    op.add_column("api_keys", sa.Column("replaces", sa.Integer(), nullable=True))
    _users()
    _one_time_codes()
    _login_failures()
    _identities()
    _sessions()
    _refresh_tokens()
    _signing_keys()
    _login_attempts()
    _authorization_codes()
    _audit()
    _crons()
    _retention_rules()
    _outbox()


def downgrade() -> None:
    for table in reversed(NEW_TABLES):
        op.drop_table(table)
    op.drop_index("ix_api_keys_created_by_id", "api_keys")
    for column in NEW_COLUMNS:
        op.drop_column("api_keys", column)


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("email", text(255), nullable=True),
        sa.Column("name", text(255), nullable=False),
        sa.Column("role", text(16), nullable=False),
        sa.Column("password_hash", text(128), nullable=True),
        sa.Column("verified_at", UtcDateTime(), nullable=True),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("password_changed_at", UtcDateTime(), nullable=True),
        sa.Column("last_login_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("modified_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", text(255), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        **IDS,
    )


def _one_time_codes() -> None:
    op.create_table(
        "one_time_codes",
        sa.Column("code_hash", text(64), nullable=False),
        sa.Column("purpose", text(16), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("email", text(255), nullable=True),
        sa.Column("role", text(16), nullable=True),
        sa.Column("name", text(255), nullable=True),
        sa.Column("password_hash", text(128), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", text(255), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_one_time_codes_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("code_hash", name="pk_one_time_codes"),
        **MYSQL,
    )
    op.create_index("ix_one_time_codes_email", "one_time_codes", ["email"], unique=False)
    op.create_index("ix_one_time_codes_expires_at", "one_time_codes", ["expires_at"], unique=False)
    op.create_index("ix_one_time_codes_user_id", "one_time_codes", ["user_id"], unique=False)


def _login_failures() -> None:
    op.create_table(
        "login_failures",
        sa.Column("name_hash", text(64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failed_at", UtcDateTime(), nullable=False),
        sa.Column("locked_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("name_hash", name="pk_login_failures"),
        **MYSQL,
    )
    op.create_index("ix_login_failures_last_failed_at", "login_failures", ["last_failed_at"], unique=False)


def _identities() -> None:
    op.create_table(
        "identities",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("subject", text(255), nullable=False),
        sa.Column("email", text(255), nullable=True),
        sa.Column("tokens", long_text(), nullable=True),
        sa.Column("tokens_expire_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_login_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
        sa.UniqueConstraint("provider", "subject", name="uq_identities_provider_subject"),
        **IDS,
    )
    op.create_index("ix_identities_tokens_expire_at", "identities", ["tokens_expire_at"], unique=False)
    op.create_index("ix_identities_user_id", "identities", ["user_id"], unique=False)


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", text(16), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("method", text(16), nullable=False),
        sa.Column("client_id", text(64), nullable=True),
        sa.Column("scopes", JsonText(), nullable=True),
        sa.Column("device", text(255), nullable=True),
        sa.Column("address", text(64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_because", text(32), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        **MYSQL,
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], unique=False)


def _refresh_tokens() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", text(64), nullable=False),
        sa.Column("session_id", text(16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("successor_hash", text(64), nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_refresh_tokens_session_id_sessions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name="pk_refresh_tokens"),
        **MYSQL,
    )
    op.create_index("ix_refresh_tokens_expires_at", "refresh_tokens", ["expires_at"], unique=False)
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"], unique=False)


def _signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", text(16), nullable=False),
        sa.Column("secret", long_text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("retired_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
        **MYSQL,
    )


def _login_attempts() -> None:
    op.create_table(
        "login_attempts",
        sa.Column("state_hash", text(64), nullable=False),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("data", long_text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name="pk_login_attempts"),
        **MYSQL,
    )
    op.create_index("ix_login_attempts_expires_at", "login_attempts", ["expires_at"], unique=False)


def _authorization_codes() -> None:
    op.create_table(
        "authorization_codes",
        sa.Column("code_hash", text(64), nullable=False),
        sa.Column("client_id", text(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("redirect_uri", long_text(), nullable=False),
        sa.Column("code_challenge", text(128), nullable=True),
        sa.Column("scopes", JsonText(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("session_id", text(16), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_authorization_codes_user_id_users", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("code_hash", name="pk_authorization_codes"),
        **MYSQL,
    )
    op.create_index("ix_authorization_codes_expires_at", "authorization_codes", ["expires_at"], unique=False)
    op.create_index("ix_authorization_codes_user_id", "authorization_codes", ["user_id"], unique=False)


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor_kind", text(16), nullable=True),
        sa.Column("actor_id", text(64), nullable=True),
        sa.Column("actor_name", text(255), nullable=True),
        sa.Column("action", text(128), nullable=False),
        sa.Column("target", text(255), nullable=True),
        sa.Column("detail", JsonText(), nullable=True),
        sa.Column("address", text(64), nullable=True),
        sa.Column("request_id", text(128), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        **IDS,
    )
    op.create_index("ix_audit_action", "audit", ["action"], unique=False)
    op.create_index("ix_audit_actor_id", "audit", ["actor_id"], unique=False)
    op.create_index("ix_audit_at_id", "audit", ["at", "id"], unique=False)


def _crons() -> None:
    op.create_table(
        "crons",
        sa.Column("name", text(64), nullable=False),
        sa.Column("schedule", text(512), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("requested", sa.Boolean(), nullable=False),
        sa.Column("runner", text(255), nullable=True),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=True),
        sa.Column("last_started_at", UtcDateTime(), nullable=True),
        sa.Column("last_ended_at", UtcDateTime(), nullable=True),
        sa.Column("last_success_at", UtcDateTime(), nullable=True),
        sa.Column("last_duration_s", double(), nullable=True),
        sa.Column("last_status", text(16), nullable=True),
        sa.Column("last_result", long_text(), nullable=True),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("modified_by", text(255), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_crons"),
        **MYSQL,
    )


def _retention_rules() -> None:
    op.create_table(
        "retention_rules",
        sa.Column("label", text(255), nullable=False),
        sa.Column("keep_days", sa.Integer(), nullable=False),
        sa.Column("modified_at", UtcDateTime(), nullable=False),
        sa.Column("modified_by", text(255), nullable=True),
        sa.PrimaryKeyConstraint("label", name="pk_retention_rules"),
        **MYSQL,
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("message_id", text(255), nullable=False),
        sa.Column("recipient", text(255), nullable=False),
        sa.Column("subject", text(255), nullable=False),
        sa.Column("message", blob(), nullable=True),
        sa.Column("status", text(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=True),
        sa.Column("give_up_at", UtcDateTime(), nullable=False),
        sa.Column("claimed_by", text(255), nullable=True),
        sa.Column("claimed_at", UtcDateTime(), nullable=True),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("error", long_text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("message_id", name="uq_outbox_message_id"),
        **IDS,
    )
    op.create_index("ix_outbox_status_next_attempt_at", "outbox", ["status", "next_attempt_at"], unique=False)
