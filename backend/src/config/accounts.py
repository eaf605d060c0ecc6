"""[accounts]: what must fit together before anybody can have one."""

from __future__ import annotations

from backend.src.config.errors import ConfigurationError
from backend.src.config.settings import AccountSettings

_RANGES = {"bcrypt_rounds": (10, 16), "password_strength": (0, 4), "password_length": (8, 128)}


def check_accounts(accounts: AccountSettings) -> None:
    """Raises ConfigurationError. Whether the password of the first administrator is any good is seen when it is set."""
    for option, (least, most) in _RANGES.items():
        value = getattr(accounts, option)
        if not least <= value <= most:
            raise ConfigurationError(
                f"accounts.{option} = {value} is out of range", remedy=f"give a number from {least} to {most}"
            )
    if bool(accounts.admin_email) != bool(accounts.admin_password.reveal()):
        raise ConfigurationError(
            "ADMIN_EMAIL and ADMIN_PASSWORD go together, and one of them is missing",
            remedy="set both, or neither: `user create` makes an administrator at any time",
        )
    if accounts.lockout_longest_s < accounts.lockout_first_s:
        raise ConfigurationError(
            "accounts.lockout_longest_s is shorter than accounts.lockout_first_s", remedy="make the longest wait longer"
        )
