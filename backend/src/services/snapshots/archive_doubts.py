"""Archives of which nobody knows yet whether a snapshot will name them.

Noted before an archive is put and forgotten in the transaction that adds its snapshot, so that a crash in between
leaves a note. Only what is noted here is ever removed from the bucket: another database's archives, or those of a
database that was restored from an older backup, are not ours to judge.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, insert, or_, select, update

from backend.src.core.errors import Conflict
from backend.src.infra.sql.tables import doubtful_archives as doubts


def begin(connection: Connection, key: str, now: datetime) -> None:
    """An archive is about to be put."""
    connection.execute(insert(doubts).values(archive_key=key, since=now, given_up=False))


def settle(connection: Connection, key: str) -> None:
    """Its snapshot is added in this transaction. Raises Conflict when the cleaner gave it up."""
    kept = delete(doubts).where(doubts.c.archive_key == key, doubts.c.given_up.is_(False))
    if not connection.execute(kept).rowcount:
        raise Conflict(f"archive {key} took so long that it was given up", remedy="take the snapshot again")


def give_up(connection: Connection, key: str, now: datetime) -> None:
    """Its snapshot is removed in this transaction."""
    connection.execute(insert(doubts).values(archive_key=key, since=now, given_up=True))


def given_up_before(connection: Connection, moment: datetime) -> list[str]:
    """The keys of archives that no snapshot will name: those in doubt since before `moment`, and those given up."""
    chosen = or_(doubts.c.since < moment, doubts.c.given_up.is_(True))
    connection.execute(update(doubts).where(chosen).values(given_up=True))
    return list(connection.scalars(select(doubts.c.archive_key).where(doubts.c.given_up.is_(True))))


def forget(connection: Connection, key: str) -> None:
    """The archive is gone."""
    connection.execute(delete(doubts).where(doubts.c.archive_key == key))
