"""The trail of who did what. An entry is written before the act it tells of, and completed after it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from backend.src.core.clock import Clock
from backend.src.core.errors import Unavailable
from backend.src.infra.sql import SQL
from backend.src.services.audit import audit_rows, csv_export
from backend.src.services.audit.audit_rows import Position
from backend.src.services.audit.entry import AuditEntry, AuditFilters, AuditRecord

log = logging.getLogger(__name__)

ENTRIES_A_PAGE = 1_000


class Audit:
    """Writes and reads the audit trail. To note something in a transaction of one's own: audit_rows.insert_entry."""

    def __init__(self, sql: SQL, clock: Clock) -> None:
        self._sql = sql
        self._clock = clock

    async def begin(self, entry: AuditEntry) -> int:
        """Notes what is about to be done; returns the entry's id for `end`. Raises Unavailable: then do not do it."""
        now = self._clock.now()
        return await self._sql.write(lambda connection: audit_rows.insert_entry(connection, entry, now))

    async def end(
        self, entry_id: int, status: int, target: str | None = None, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Notes how it ended, and what of it is known only now; None and {} leave what was noted before.

        It has been done: a database that is away now is logged and stops nobody.
        """
        try:
            await self._sql.write(lambda connection: audit_rows.end_entry(connection, entry_id, status, target, detail))
        except Unavailable as error:
            log.error("audit entry %d stays without its status %d: %s", entry_id, status, error)

    async def note(self, entry: AuditEntry) -> None:
        """Notes what was done. Raises Unavailable."""
        await self.begin(entry)

    async def entries(self, filters: AuditFilters, *, after: Position | None = None, limit: int) -> list[AuditRecord]:
        """Newest first, those after the one at this time and with this id."""
        return await self._sql.read(
            lambda connection: audit_rows.list_entries(connection, filters, after=after, limit=limit)
        )

    async def export_csv(self, filters: AuditFilters) -> AsyncIterator[str]:
        """Every entry, newest first, in portions of text: no transaction stays open between two. Raises Unavailable."""
        return self._portions(filters, await self.entries(filters, limit=ENTRIES_A_PAGE))

    async def _portions(self, filters: AuditFilters, page: list[AuditRecord]) -> AsyncIterator[str]:
        yield csv_export.write_header()
        while page:
            yield csv_export.write_entries(page)
            page = await self.entries(filters, after=(page[-1].at, page[-1].id), limit=ENTRIES_A_PAGE)

    async def remove_older(self, before: datetime, *, batch: int = ENTRIES_A_PAGE) -> int:
        """Removes a batch of the entries from before then; returns how many it was, 0 when none is left."""
        return await self._sql.write(lambda connection: audit_rows.delete_older(connection, before, limit=batch))
