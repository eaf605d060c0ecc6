"""Snapshots go when the time of their labels is over; golden ones, and those that a restore uses, never do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, and_, func, or_, select

from backend.src.config.settings import RetentionSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Conflict, Invalid
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import snapshots
from backend.src.services.restore import BEFORE_RESTORE, snapshots_in_use
from backend.src.services.retention import rules
from backend.src.services.retention.batches import BREATH_S, ROWS_AT_ONCE, counted
from backend.src.services.retention.rules import Rule, expired
from backend.src.services.snapshots import SCHEDULED, SnapshotNotFound, Snapshots

LONGEST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Expired:
    """A snapshot that the next run removes."""

    id: str
    title: str
    created_at: datetime
    labels: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What the next run removes, oldest first. next_after: where the next page begins, None at the end."""

    total: int
    size_bytes: int
    page: tuple[Expired, ...]
    next_after: tuple[datetime, str] | None


class Retention:
    """Keeps the rules and applies them. Labels with a rule of the configuration may be given another here."""

    def __init__(self, sql: SQL, all_snapshots: Snapshots, clock: Clock, settings: RetentionSettings) -> None:
        self._sql = sql
        self._snapshots = all_snapshots
        self._clock = clock
        configured = {SCHEDULED: settings.scheduled_days, BEFORE_RESTORE: settings.before_restore_days}
        self._configured = {label: Rule(label, days) for label, days in configured.items()}

    async def rules(self) -> list[Rule]:
        """Every rule that is in force, by label."""
        return await self._sql.read(self._in_force)

    async def set_rule(self, label: str, keep_days: int, by: str) -> Rule:
        """Raises Invalid for a time that is none."""
        if not 0 <= keep_days <= LONGEST_DAYS:
            raise Invalid(f"a snapshot is kept for 1 to {LONGEST_DAYS} days, or 0 for ever")
        rule = Rule(label, keep_days, self._clock.now(), by)
        try:
            await self._sql.write(lambda connection: rules.put(connection, rule))
        except Conflict:  # somebody set the first rule of this label at the same moment
            await self._sql.write(lambda connection: rules.put(connection, rule))
        return rule

    async def remove_rule(self, label: str) -> None:
        """Back to the configuration's rule, if it has one for this label. Raises RuleNotFound."""
        await self._sql.write(lambda connection: rules.remove(connection, label))

    async def preview(self, *, after: tuple[datetime, str] | None = None, limit: int = 100) -> Preview:
        """What a run would remove now."""
        return await self._sql.read(lambda connection: self._preview(connection, after, limit))

    async def run(self) -> str:
        """Removes what is over; one line of result."""
        removed, after = 0, None
        while True:
            preview = await self.preview(after=after, limit=ROWS_AT_ONCE)
            for snapshot in preview.page:
                removed += await self._remove(snapshot.id)
                await asyncio.sleep(BREATH_S)
            after = preview.next_after
            if after is None:
                return counted(snapshots=removed)

    async def _remove(self, snapshot_id: str) -> bool:
        try:
            return await self._snapshots.delete(snapshot_id, only_if=partial(self._may_go, snapshot_id=snapshot_id))
        except SnapshotNotFound:  # somebody was quicker
            return False

    def _may_go(self, connection: Connection, snapshot_id: str) -> bool:
        """In the very transaction that deletes it: labels, rules and restores may have changed since it was chosen."""
        condition = expired(self._in_force(connection), self._clock.now())
        found = connection.scalar(select(snapshots.c.id).where(snapshots.c.id == snapshot_id, condition))
        return found is not None and snapshot_id not in snapshots_in_use(connection)

    def _in_force(self, connection: Connection) -> list[Rule]:
        by_label = self._configured | {rule.label: rule for rule in rules.stored(connection)}
        return [by_label[label] for label in sorted(by_label)]

    def _preview(self, connection: Connection, after: tuple[datetime, str] | None, limit: int) -> Preview:
        columns, in_use = snapshots.c, snapshots_in_use(connection)
        condition = and_(expired(self._in_force(connection), self._clock.now()), columns.id.not_in(in_use))
        sums = select(func.count(), func.coalesce(func.sum(columns.size_bytes), 0)).where(condition)
        total, size_bytes = connection.execute(sums).one()
        query = select(columns.id, columns.title, columns.created_at, columns.labels, columns.size_bytes)
        query = query.where(condition).order_by(columns.created_at, columns.id).limit(limit + 1)
        if after is not None:
            at, last = after
            query = query.where(or_(columns.created_at > at, and_(columns.created_at == at, columns.id > last)))
        found = [Expired(**{**row, "labels": tuple(row["labels"])}) for row in connection.execute(query).mappings()]
        page = tuple(found[:limit])
        more = len(found) > limit
        return Preview(int(total), int(size_bytes), page, (page[-1].created_at, page[-1].id) if more else None)
