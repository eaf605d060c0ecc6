"""Mail as it leaves: composed as RFC 5322, handed to an SMTP server."""

from backend.src.infra.mail.addresses import checked_address
from backend.src.infra.mail.composition import compose
from backend.src.infra.mail.mail import Attachment, InlineImage, Mail
from backend.src.infra.mail.mail_management import MailManagement
from backend.src.infra.mail.refusals import MailDeferred, MailRefused

__all__ = [
    "Attachment",
    "InlineImage",
    "Mail",
    "MailDeferred",
    "MailManagement",
    "MailRefused",
    "checked_address",
    "compose",
]
