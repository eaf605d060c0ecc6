"""When keys and sessions were last used: noted with each request, written once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import Connection

from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL

K = TypeVar("K")

WRITE_EVERY_S = 60.0


class LastUse(Generic[K]):
    """By id. `what` names the loop; `write` puts the times into SQL and touches nothing: the cached rows stay good."""

    def __init__(
        self, sql: SQL, supervisor: Supervisor, what: str, write: Callable[[Connection, Mapping[K, datetime]], None]
    ) -> None:
        self._sql = sql
        self._supervisor = supervisor
        self._loop = f"accounts: last use of {what}"
        self._write = write
        self._noted: dict[K, datetime] = {}

    async def start(self) -> None:
        """Begins to write what is noted."""
        self._supervisor.start_loop(self._loop, self._write_for_ever)

    async def stop(self) -> None:
        """Writes what was noted since the last time."""
        await self._supervisor.stop(self._loop)
        await self.write_once()

    def note(self, used: K, at: datetime) -> None:
        """It was used; written later."""
        self._noted[used] = at

    async def write_once(self) -> None:
        """Writes all that is noted, in one transaction; what could not be written stays noted. Raises Unavailable."""
        noted = dict(self._noted)
        if noted:
            await self._sql.write(lambda connection: self._write(connection, noted))
            self._noted = {used: at for used, at in self._noted.items() if noted.get(used) != at}

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write_once()
