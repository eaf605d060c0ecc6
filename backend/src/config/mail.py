"""[mail], checked before anything starts."""

from __future__ import annotations

from ipaddress import ip_address

from backend.src.config.errors import ConfigurationError
from backend.src.config.settings import MailSettings


def check_mail(mail: MailSettings) -> None:
    """Raises ConfigurationError for a password that would travel in the clear."""
    if mail.configured and mail.security == "none" and len(mail.password) and not _is_loopback(mail.host):
        raise ConfigurationError(
            "mail.password (SENDER_PASSWORD) would be sent in the clear: mail.security (SENDER_SECURITY) is none",
            remedy="use tls or starttls, or a server that wants no login",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
