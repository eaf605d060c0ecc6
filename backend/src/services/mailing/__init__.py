"""Mail that is not lost: letters to people, and the outbox that delivers them."""

from backend.src.services.mailing.letters import Letters
from backend.src.services.mailing.outbox import Outbox
from backend.src.services.mailing.queued_mail import DeliveryReport, MailNotFound, MailStatus, QueuedMail

__all__ = ["DeliveryReport", "Letters", "MailNotFound", "MailStatus", "Outbox", "QueuedMail"]
