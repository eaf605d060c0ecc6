"""What keeps itself going and what is kept of who did what: audit trail, crons, retention, outgoing mail."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table

from backend.src.infra.sql.tables.base import IDS, MYSQL, NAME, metadata
from backend.src.infra.sql.types import JsonText, UtcDateTime, blob, double, long_text, text

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor_kind", text(16)),  # user, key, local, cron; NULL: nobody known
    Column("actor_id", text(64), index=True),
    Column("actor_name", text(NAME)),
    Column("action", text(128), nullable=False, index=True),
    Column("target", text(NAME)),
    Column("detail", JsonText),
    Column("address", text(64)),
    Column("request_id", text(128)),
    Column("status", Integer),  # of the HTTP answer; NULL: begun, and its end is not known
    Index("ix_audit_at_id", "at", "id"),
    **IDS,
)

crons = Table(
    "crons",
    metadata,
    Column("name", text(64), primary_key=True),
    Column("schedule", text(512)),  # by which due_at was found
    Column("paused", Boolean, nullable=False, default=False),
    Column("due_at", UtcDateTime),
    Column("requested", Boolean, nullable=False, default=False),  # run now, whatever is due
    Column("runner", text(NAME)),  # the process that runs it; NULL: nobody
    Column("heartbeat_at", UtcDateTime),
    Column("last_started_at", UtcDateTime),
    Column("last_ended_at", UtcDateTime),
    Column("last_success_at", UtcDateTime),
    Column("last_duration_s", double()),
    Column("last_status", text(16)),
    Column("last_result", long_text()),
    Column("runs", Integer, nullable=False, default=0),
    Column("failures", Integer, nullable=False, default=0),
    Column("modified_by", text(NAME)),
    **MYSQL,
)

# How long snapshots with a label are kept; golden ones for ever.
retention_rules = Table(
    "retention_rules",
    metadata,
    Column("label", text(NAME), primary_key=True),
    Column("keep_days", Integer, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    Column("modified_by", text(NAME)),
    **MYSQL,
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("message_id", text(NAME), nullable=False, unique=True),
    Column("recipient", text(NAME), nullable=False),
    Column("subject", text(NAME), nullable=False),
    Column("message", blob()),  # RFC 5322, encrypted: it may hold a code; NULL once it was sent
    Column("status", text(16), nullable=False),  # waiting, sending, sent, failed
    Column("attempts", Integer, nullable=False, default=0),
    Column("created_at", UtcDateTime, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("give_up_at", UtcDateTime, nullable=False),
    Column("claimed_by", text(NAME)),
    Column("claimed_at", UtcDateTime),
    Column("sent_at", UtcDateTime),
    Column("error", long_text()),
    Index("ix_outbox_status_next_attempt_at", "status", "next_attempt_at"),
    **IDS,
)
