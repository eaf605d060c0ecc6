"""Sessions, the tokens that keep them going, and what a login in progress has to remember."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table

from backend.src.infra.sql.tables.base import HASH, ID, MYSQL, NAME, metadata
from backend.src.infra.sql.types import JsonText, UtcDateTime, long_text, text

sessions = Table(
    "sessions",
    metadata,
    Column("id", text(ID), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("method", text(16), nullable=False),  # how it began: password, code, provider
    Column("client_id", text(64)),
    Column("scopes", JsonText),  # narrower than the role's when the client asked for less
    Column("device", text(NAME)),  # User-Agent
    Column("address", text(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("revoked_at", UtcDateTime),
    Column("revoked_because", text(32)),
    **MYSQL,
)

# All tokens of a session are one family: a second use of one ends the session.
refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", text(HASH), primary_key=True),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("used_at", UtcDateTime),
    Column("successor_hash", text(HASH)),
    **MYSQL,
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", text(ID), primary_key=True),
    Column("secret", long_text(), nullable=False),  # encrypted with the server's secret key
    Column("created_at", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),  # signs no more; what it signed is good until it expires
    **MYSQL,
)

# Logins under way at an external provider, by the hash of `state`.
login_attempts = Table(
    "login_attempts",
    metadata,
    Column("state_hash", text(HASH), primary_key=True),
    Column("provider", text(64), nullable=False),
    Column("data", long_text(), nullable=False),  # verifier, nonce, where to go back to: encrypted
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    **MYSQL,
)

# Codes of the authorization code grant that this server hands to its own clients (the document pages).
authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("code_hash", text(HASH), primary_key=True),
    Column("client_id", text(64), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("redirect_uri", long_text(), nullable=False),
    Column("code_challenge", text(128)),
    Column("scopes", JsonText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("used_at", UtcDateTime),
    Column("session_id", text(ID)),  # what it was exchanged for: a second use ends it
    **MYSQL,
)
