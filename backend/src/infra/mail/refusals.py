"""What a mail server may say no to: this mail for good, this mail for now. All else that fails is Unavailable."""

from __future__ import annotations

from backend.src.core.errors import LarderError, Unavailable


class MailRefused(LarderError):
    """For good: this recipient or this message. Trying again would change nothing."""


class MailDeferred(Unavailable):
    """For now, and this mail alone (greylisting, a full mailbox): the server goes on taking others."""
