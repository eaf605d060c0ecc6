"""What a Settings must satisfy as a whole before anything starts."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from backend.src.config.door import check_door
from backend.src.config.errors import ConfigurationError
from backend.src.config.settings import Role, Secret, Settings

SECRET_KEY_LENGTH = 32
_PLACEHOLDERS = frozenset({"changeme", "change-me", "change_me", "placeholder", "secret", "password"})
_PLACEHOLDER_STARTS = ("your_", "your-", "<")
_ZERO_MEANS_NEVER = frozenset(
    {
        "watchdog_interval_s",
        "hsts_s",
        "requests_per_minute",
        "logins_per_minute",
        "password_strength",
        "jobs_days",
        "audit_days",
        "mail_days",
        "before_restore_days",
        "scheduled_days",
    }
)


def validate(settings: Settings) -> None:
    """Raises ConfigurationError for a value out of range, a placeholder secret or settings that do not fit."""
    for section in fields(settings):
        values = getattr(settings, section.name)
        for option in fields(values):
            _check_value(f"{section.name}.{option.name}", option.metadata["env"], getattr(values, option.name))
    _check_secret_key(settings.server.secret_key)
    _check_choice("server.log_format", settings.server.log_format, ("text", "json"))
    _check_choice("epics.default_protocol", settings.epics.default_protocol, ("ca", "pva"))
    _check_choice("accounts.registration", settings.accounts.registration, ("closed", "invitation", "open"))
    _check_choice("mail.security", settings.mail.security, ("tls", "starttls", "none"))
    check_door(settings.door)
    _check_role(settings)


def _check_value(key: str, variable: str | None, value: Any) -> None:
    name = f"{key} ({variable})" if variable else key
    if isinstance(value, bool):
        return
    if isinstance(value, Secret):
        _check_placeholder(name, value)
    elif isinstance(value, int | float):
        _check_number(name, key.rpartition(".")[2], value)


def _check_number(name: str, option: str, value: float) -> None:
    if option.endswith("port") and not 0 <= value <= 65535:
        raise ConfigurationError(f"{name} = {value} is no port", remedy="give a number from 1 to 65535")
    least_ok = value >= 0 if option in _ZERO_MEANS_NEVER or option.endswith("port") else value > 0
    if not (math.isfinite(value) and least_ok):
        raise ConfigurationError(f"{name} = {value} is out of range", remedy="give a number above 0")


def _check_placeholder(name: str, secret: Secret) -> None:
    text = secret.reveal().strip().lower()
    if text in _PLACEHOLDERS or text.startswith(_PLACEHOLDER_STARTS):
        raise ConfigurationError(
            f"{name} still holds the placeholder of a sample",
            remedy="set a secret of your own, or leave it empty",
        )


def _check_secret_key(secret: Secret) -> None:
    if 0 < len(secret) < SECRET_KEY_LENGTH:
        raise ConfigurationError(
            f"server.secret_key (SECRET_KEY) has {len(secret)} characters, at least {SECRET_KEY_LENGTH} are needed",
            remedy="leave it empty to have one made under data_dir, or run: openssl rand -hex 32",
        )


def _check_choice(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigurationError(f"{key} = {value!r} is unknown", remedy="use one of: " + ", ".join(allowed))


def _check_role(settings: Settings) -> None:
    role = settings.server.role
    if role is Role.ALL:
        return
    embedded = {
        "DB_HOST": settings.sql.embedded,
        "REDIS_HOST or REDIS_SOCKET": settings.cache.embedded,
        "BUCKET_HOST": settings.bucket.embedded,
    }
    missing = [variable for variable, inside in embedded.items() if inside]
    if missing:
        raise ConfigurationError(
            f"role {role.value} shares its state with other processes, but {', '.join(missing)} is not set",
            remedy="set it, or use ROLE=all for one process with everything embedded",
        )
