"""A person's sessions: listed, ended, and their last use noted."""

from __future__ import annotations

from backend.src.core.clock import Clock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.accounts import session_rows
from backend.src.services.accounts.last_use import LastUse
from backend.src.services.accounts.session_rows import Position, Session


class Sessions:
    """Every way in which a session ends takes effect here at once, in other processes within two seconds."""

    def __init__(self, sql: SQL, clock: Clock, supervisor: Supervisor) -> None:
        self._sql = sql
        self._clock = clock
        self.last_use = LastUse[str](sql, supervisor, "sessions", session_rows.note_used)

    async def start(self) -> None:
        """Begins to note when sessions are used."""
        await self.last_use.start()

    async def stop(self) -> None:
        """Writes the uses noted since the last time."""
        await self.last_use.stop()

    async def ping(self) -> None:
        """Nothing of its own can fail: SQL answers for itself."""

    async def of(self, user_id: int, *, after: Position | None = None, limit: int) -> list[Session]:
        """The sessions of a person that go on, newest first."""
        now = self._clock.now()
        return await self._sql.read(
            lambda connection: session_rows.list_sessions(connection, user_id, now, after=after, limit=limit)
        )

    async def revoke(self, session_id: str, because: str, *, user_id: int | None = None) -> None:
        """Ends one session, of this person if one is named. Raises SessionNotFound."""
        now = self._clock.now()
        await self._sql.write(
            lambda connection: session_rows.revoke(connection, session_id, because, now, user_id=user_id),
            touches=session_rows.TABLES,
        )

    async def revoke_all(self, user_id: int, because: str, *, keep: str | None = None) -> None:
        """Ends every session of a person but the one to keep."""
        now = self._clock.now()
        await self._sql.write(
            lambda connection: session_rows.revoke_all(connection, user_id, because, now, keep),
            touches=session_rows.TABLES,
        )
