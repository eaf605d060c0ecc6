"""Rows whose time is over: nobody can use them any more, so nothing but space is lost with them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, exists, or_

from backend.src.core.clock import Clock
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import (
    authorization_codes,
    login_attempts,
    login_failures,
    one_time_codes,
    refresh_tokens,
    sessions,
)
from backend.src.services.retention.batches import counted, delete_all

ENDED_SESSION_KEPT = timedelta(days=7)  # its person may ask why it ended
CODE_KEPT = timedelta(days=1)  # "this has expired" helps more than "unknown"; a second use is still seen
FAILURES_KEPT = timedelta(days=1)


class ExpiredRows:
    """Removes them. lockout_longest_s: failures are remembered for twice as long at least."""

    def __init__(self, sql: SQL, clock: Clock, *, lockout_longest_s: float) -> None:
        self._sql = sql
        self._clock = clock
        self._failures_kept = max(FAILURES_KEPT, timedelta(seconds=2 * lockout_longest_s))

    async def run(self) -> str:
        """One line of result."""
        now = self._clock.now()
        forgotten = and_(
            login_failures.c.last_failed_at < now - self._failures_kept,
            or_(login_failures.c.locked_until.is_(None), login_failures.c.locked_until < now),
        )
        codes, authorizations = one_time_codes.c, authorization_codes.c
        return counted(
            **await self._sessions(),
            codes=await delete_all(self._sql, codes.code_hash, codes.expires_at < now - CODE_KEPT),
            authorization_codes=await delete_all(
                self._sql, authorizations.code_hash, authorizations.expires_at < now - CODE_KEPT
            ),
            logins_never_finished=await delete_all(
                self._sql, login_attempts.c.state_hash, login_attempts.c.expires_at < now
            ),
            login_failures=await delete_all(self._sql, login_failures.c.name_hash, forgotten),
        )

    async def _sessions(self) -> dict[str, int]:
        """Tokens before their sessions: a month of them would otherwise go in one cascade."""
        now = self._clock.now()
        moment = now - ENDED_SESSION_KEPT
        ended = or_(sessions.c.expires_at < moment, sessions.c.revoked_at < moment)
        of_ended = exists().where(sessions.c.id == refresh_tokens.c.session_id, ended)
        stale = or_(refresh_tokens.c.expires_at < now - CODE_KEPT, of_ended)
        return {
            "refresh_tokens": await delete_all(self._sql, refresh_tokens.c.token_hash, stale),
            "sessions": await delete_all(self._sql, sessions.c.id, ended, touches=("sessions",)),
        }
