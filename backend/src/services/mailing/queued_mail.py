"""A mail on its way, as everybody but its reader may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from backend.src.core.errors import NotFound


class MailStatus(StrEnum):
    """Where it is: sending says that a process has it in hand."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """One row of the outbox, without what the mail says: that may hold a code."""

    id: int
    message_id: str
    recipient: str
    subject: str
    status: MailStatus
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    give_up_at: datetime
    sent_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one round of delivery did."""

    sent: int = 0
    put_off: int = 0
    failed: int = 0

    def __str__(self) -> str:
        parts = {"sent": self.sent, "put off": self.put_off, "failed": self.failed}
        return ", ".join(f"{count} {what}" for what, count in parts.items() if count)


class MailNotFound(NotFound):
    """The id names no mail."""

    def __init__(self, mail_id: int) -> None:
        super().__init__(f"mail {mail_id} not found")
