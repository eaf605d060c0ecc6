"""[mail], checked before anything starts."""

from __future__ import annotations

from ipaddress import ip_address

from backend.src.config.errors import ConfigurationError
from backend.src.config.settings import MailSettings


def check_mail(mail: MailSettings) -> None:
    """Raises ConfigurationError for a sender without address, and for a password that would travel in the clear."""
    if not mail.configured:
        return
    local, _, domain = mail.address.rpartition("@")
    if not local or not domain or any(character.isspace() for character in mail.address):
        raise ConfigurationError(
            f"mail.address (SENDER_ADDRESS) = {mail.address!r} is no e-mail address",
            remedy="give the address that mail shall come from, or leave SENDER_HOST empty to send none",
        )
    if mail.security == "none" and len(mail.password) and not _is_loopback(mail.host):
        raise ConfigurationError(
            "mail.password (SENDER_PASSWORD) would be sent in the clear: mail.security (SENDER_SECURITY) is none",
            remedy="use tls or starttls, or a server that wants no login",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
