"""People: who they are, what they proved, how often they failed to."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, UniqueConstraint

from backend.src.infra.sql.tables.base import HASH, IDS, MYSQL, NAME, metadata
from backend.src.infra.sql.types import UtcDateTime, long_text, text

# A deleted person keeps the row, without address, name and password: the audit trail still has somebody to name.
users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("email", text(NAME), unique=True),  # as normalised by services/accounts; NULL once deleted
    Column("name", text(NAME), nullable=False),
    Column("role", text(16), nullable=False),
    Column("password_hash", text(128)),  # NULL: comes in through a provider alone
    Column("verified_at", UtcDateTime),
    Column("disabled_at", UtcDateTime),
    Column("deleted_at", UtcDateTime),
    Column("password_changed_at", UtcDateTime),
    Column("last_login_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("modified_at", UtcDateTime, nullable=False),
    Column("created_by", text(NAME)),
    **IDS,
)

# Codes sent by mail, used once: verification, reset, change of address, invitation. A registration lives in its code
# until that is used: an address belongs to nobody before somebody has read the mail sent to it.
one_time_codes = Table(
    "one_time_codes",
    metadata,
    Column("code_hash", text(HASH), primary_key=True),
    Column("purpose", text(16), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),  # NULL: an invitation
    Column("email", text(NAME), index=True),
    Column("role", text(16)),
    Column("name", text(NAME)),
    Column("password_hash", text(128)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", text(NAME)),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("used_at", UtcDateTime),
    **MYSQL,
)

# Failed logins by the hash of what was typed, whether such an account exists or not: a lock must not tell.
login_failures = Table(
    "login_failures",
    metadata,
    Column("name_hash", text(HASH), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_failed_at", UtcDateTime, nullable=False, index=True),
    Column("locked_until", UtcDateTime),
    **MYSQL,
)

identities = Table(
    "identities",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("provider", text(64), nullable=False),
    Column("subject", text(NAME), nullable=False),  # the provider's `sub`
    Column("email", text(NAME)),
    Column("tokens", long_text()),  # the provider's tokens, encrypted
    Column("tokens_expire_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_login_at", UtcDateTime),
    UniqueConstraint("provider", "subject"),
    Index("ix_identities_tokens_expire_at", "tokens_expire_at"),
    **IDS,
)
