"""The outbox in SQL. Every change of state is one conditional UPDATE, so two processes can never both make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from backend.src.core.errors import Conflict
from backend.src.infra.sql.tables import outbox
from backend.src.services.mailing.queued_mail import MailNotFound, MailStatus, QueuedMail

LONGEST_ERROR = 2_000

_shown = tuple(outbox.c[field.name] for field in fields(QueuedMail))


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mail that this process alone may send, still sealed."""

    id: int
    recipient: str
    message: bytes
    attempts: int  # with this one
    give_up_at: datetime


def insert_mail(connection: Connection, row: Mapping[str, Any]) -> None:
    """A mail that waits."""
    connection.execute(insert(outbox).values(**row, status=MailStatus.WAITING.value, attempts=0))


def claim_next(connection: Connection, worker: str, now: datetime) -> Claimed | None:
    """The mail that is due longest becomes this worker's; None when none is due."""
    due = select(outbox.c.id).where(outbox.c.status == MailStatus.WAITING.value, outbox.c.next_attempt_at <= now)
    for mail_id in connection.scalars(due.order_by(outbox.c.next_attempt_at, outbox.c.id).limit(8)).all():
        waiting = update(outbox).where(outbox.c.id == mail_id, outbox.c.status == MailStatus.WAITING.value)
        values = {
            "status": MailStatus.SENDING.value,
            "claimed_by": worker,
            "claimed_at": now,
            "attempts": outbox.c.attempts + 1,
        }
        if connection.execute(waiting.values(values)).rowcount == 1:
            return _claimed(connection, mail_id)
    return None


def sending(connection: Connection) -> list[tuple[int, str, datetime]]:
    """Id, worker and time of claim of each mail that somebody has in hand."""
    query = select(outbox.c.id, outbox.c.claimed_by, outbox.c.claimed_at)
    rows = connection.execute(query.where(outbox.c.status == MailStatus.SENDING.value))
    return [(row.id, row.claimed_by, row.claimed_at) for row in rows]


def release(connection: Connection, mail_id: int, worker: str, claimed_at: datetime, now: datetime) -> bool:
    """A mail of a dead worker waits again. False when it is another's meanwhile."""
    dead = _in_hand(mail_id, worker).where(outbox.c.claimed_at == claimed_at)
    return _end_claim(connection, dead, MailStatus.WAITING, next_attempt_at=now)


def note_sent(connection: Connection, mail_id: int, worker: str, now: datetime) -> bool:
    """The server has it; what it said is erased."""
    gone = {"sent_at": now, "message": None, "error": None, "next_attempt_at": None}
    return _end_claim(connection, _in_hand(mail_id, worker), MailStatus.SENT, **gone)


def put_off(connection: Connection, mail_id: int, worker: str, until: datetime, error: str) -> bool:
    """It waits for another attempt."""
    later = {"next_attempt_at": until, "error": error[:LONGEST_ERROR]}
    return _end_claim(connection, _in_hand(mail_id, worker), MailStatus.WAITING, **later)


def note_failed(connection: Connection, mail_id: int, worker: str, error: str) -> bool:
    """Nobody tries again unless an administrator wants it, so what it says is kept."""
    ended = {"next_attempt_at": None, "error": error[:LONGEST_ERROR]}
    return _end_claim(connection, _in_hand(mail_id, worker), MailStatus.FAILED, **ended)


def retry(connection: Connection, mail_id: int, now: datetime, give_up_at: datetime) -> QueuedMail:
    """A failed or waiting mail is due now. Raises MailNotFound, or Conflict: it was sent, or is being sent."""
    again = update(outbox).where(
        outbox.c.id == mail_id, outbox.c.status.in_((MailStatus.FAILED.value, MailStatus.WAITING.value))
    )
    values = {"status": MailStatus.WAITING.value, "attempts": 0, "next_attempt_at": now, "give_up_at": give_up_at}
    changed = connection.execute(again.values(values)).rowcount
    mail = get_mail(connection, mail_id)
    if not changed:
        raise Conflict(f"mail {mail_id} is {mail.status}", remedy="only a mail that waits or has failed can be retried")
    return mail


def get_mail(connection: Connection, mail_id: int) -> QueuedMail:
    """Raises MailNotFound."""
    row = connection.execute(select(*_shown).where(outbox.c.id == mail_id)).mappings().first()
    if row is None:
        raise MailNotFound(mail_id)
    return _queued(row)


def list_mail(
    connection: Connection, *, status: MailStatus | None, recipient: str | None, before: int | None, limit: int
) -> list[QueuedMail]:
    """Newest first, those before the one with this id."""
    query = select(*_shown).order_by(outbox.c.id.desc()).limit(limit)
    if status is not None:
        query = query.where(outbox.c.status == status.value)
    if recipient is not None:
        query = query.where(outbox.c.recipient == recipient)
    if before is not None:
        query = query.where(outbox.c.id < before)
    return [_queued(row) for row in connection.execute(query).mappings()]


def _in_hand(mail_id: int, worker: str) -> Any:
    return update(outbox).where(
        outbox.c.id == mail_id, outbox.c.claimed_by == worker, outbox.c.status == MailStatus.SENDING.value
    )


def _end_claim(connection: Connection, of: Any, status: MailStatus, **values: Any) -> bool:
    ended = of.values(status=status.value, claimed_by=None, claimed_at=None, **values)
    return bool(connection.execute(ended).rowcount == 1)


def _claimed(connection: Connection, mail_id: int) -> Claimed:
    columns = tuple(outbox.c[field.name] for field in fields(Claimed))
    row = connection.execute(select(*columns).where(outbox.c.id == mail_id)).mappings().one()
    return Claimed(**dict(row))


def _queued(row: Mapping[Any, Any]) -> QueuedMail:
    values = dict(row)
    return QueuedMail(**{**values, "status": MailStatus(values["status"])})
