"""How long snapshots are kept, by label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, false, insert, or_, select, update

from backend.src.core.errors import NotFound
from backend.src.infra.sql.tables import retention_rules, snapshot_labels, snapshots

FOR_EVER = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """keep_days: 0 for ever. modified_at: None for a rule of the configuration that nobody has changed."""

    label: str
    keep_days: int
    modified_at: datetime | None = None
    modified_by: str | None = None


class RuleNotFound(NotFound):
    """No rule was set for the label."""

    def __init__(self, label: str) -> None:
        super().__init__(f"no rule is set for the label {label!r}", remedy="the rules of [retention] are changed there")


def stored(connection: Connection) -> list[Rule]:
    """Those that somebody set, by label."""
    query = select(retention_rules).order_by(retention_rules.c.label)
    return [Rule(**row) for row in connection.execute(query).mappings()]


def put(connection: Connection, rule: Rule) -> None:
    """Sets it, in place of the label's former one."""
    values = {"keep_days": rule.keep_days, "modified_at": rule.modified_at, "modified_by": rule.modified_by}
    changed = update(retention_rules).where(retention_rules.c.label == rule.label).values(values)
    if not connection.execute(changed).rowcount:
        connection.execute(insert(retention_rules).values(label=rule.label, **values))


def remove(connection: Connection, label: str) -> None:
    """Raises RuleNotFound."""
    if not connection.execute(delete(retention_rules).where(retention_rules.c.label == label)).rowcount:
        raise RuleNotFound(label)


def expired(rules: Iterable[Rule], now: datetime) -> ColumnElement[bool]:
    """A condition on snapshots: not golden, and the time of every label with a rule is over, of one at least.

    Labels without a rule say nothing. So a label that is kept for ever, or longer, holds what another lets go.
    """
    over, kept = [], []
    for rule in rules:
        labelled = snapshot_labels.c.label == rule.label
        if rule.keep_days == FOR_EVER:
            kept.append(labelled)
        else:
            since = now - timedelta(days=rule.keep_days)
            over.append(and_(labelled, snapshots.c.created_at < since))
            kept.append(and_(labelled, snapshots.c.created_at >= since))
    if not over:
        return false()
    own = snapshot_labels.c.snapshot_id == snapshots.c.id
    return and_(snapshots.c.golden.is_(False), exists().where(own, or_(*over)), ~exists().where(own, or_(*kept)))
