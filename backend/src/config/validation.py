"""What a Settings must satisfy as a whole before anything starts."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import fields
from typing import Any

from backend.src.config.accounts import check_accounts
from backend.src.config.cameras import check_cameras
from backend.src.config.door import check_door, web_address
from backend.src.config.errors import ConfigurationError
from backend.src.config.mail import check_mail
from backend.src.config.schedule import REMEDY, Schedule
from backend.src.config.settings import EVERYWHERE, CronSettings, ProviderSettings, Role, Secret, Settings, sections

SECRET_KEY_LENGTH = 32
_PLACEHOLDERS = frozenset({"changeme", "change-me", "change_me", "placeholder", "secret", "password"})
_PLACEHOLDER_STARTS = ("your_", "your-", "<")
_ZERO_MEANS_NEVER = frozenset(
    {
        "drain_s",
        "hsts_s",
        "requests_per_minute",
        "logins_per_minute",
        "password_strength",
        "jobs_days",
        "audit_days",
        "mail_days",
        "before_restore_days",
        "scheduled_days",
        "clip_days",
    }
)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_provider_name = re.compile(r"[a-z][a-z0-9-]{0,31}")


def validate(settings: Settings) -> None:
    """Raises ConfigurationError for a value out of range, a placeholder secret or settings that do not fit."""
    for section in sections():
        values = getattr(settings, section.name)
        for option in fields(values):
            _check_value(f"{section.name}.{option.name}", option.metadata["env"], getattr(values, option.name))
    _check_secret_key(settings.server.secret_key)
    _check_choice("server.log_format", settings.server.log_format, ("text", "json"))
    _check_choice("epics.default_protocol", settings.epics.default_protocol, ("ca", "pva"))
    _check_choice("accounts.registration", settings.accounts.registration, ("closed", "invitation", "open"))
    _check_choice("mail.security", settings.mail.security, ("tls", "starttls", "none"))
    check_accounts(settings.accounts)
    check_cameras(settings.cameras)
    check_door(settings.door)
    check_mail(settings.mail)
    _check_schedules(settings.crons)
    _check_role(settings)
    _check_providers(settings.providers)
    _check_links(settings)


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


def _check_schedules(crons: CronSettings) -> None:
    for option in fields(crons):
        text = getattr(crons, option.name)
        if isinstance(text, str):
            try:
                Schedule.parse(text)
            except ValueError as exc:
                raise ConfigurationError(f"crons.{option.name} = {text!r}: {exc}", remedy=REMEDY) from exc


def _check_role(settings: Settings) -> None:
    role = settings.server.role
    if role is Role.ALL:
        return
    own = {
        "DB_HOST": settings.sql.embedded,
        "REDIS_HOST or REDIS_SOCKET": settings.cache.embedded,
        "BUCKET_HOST": settings.bucket.embedded,
        "SECRET_KEY": not settings.server.secret_key,  # else each makes one of its own
    }
    missing = [variable for variable, alone in own.items() if alone]
    if missing:
        raise ConfigurationError(
            f"role {role.value} shares its state with other processes, but {', '.join(missing)} is not set",
            remedy="set it, or use ROLE=all for one process with everything embedded",
        )


def _check_providers(providers: tuple[ProviderSettings, ...]) -> None:
    for provider in providers:
        _check_provider(provider)
    twice = [name for name, count in Counter(provider.name for provider in providers).items() if count > 1]
    if twice:
        raise ConfigurationError(f"providers.name = {twice[0]!r} comes twice", remedy="give each a name of its own")


def _check_provider(provider: ProviderSettings) -> None:
    if not _provider_name.fullmatch(provider.name):
        raise ConfigurationError(
            f"providers.name = {provider.name!r} is no name",
            remedy="use a-z, 0-9 and -, beginning with a letter, at most 32 characters",
        )
    for option in fields(provider):
        variable = provider.secret_variable if option.metadata["env"] else None
        _check_value(f"providers.{option.name} of {provider.name}", variable, getattr(provider, option.name))
    _check_issuer(provider)
    if not provider.client_id:
        raise ConfigurationError(
            f"providers.client_id of {provider.name} is missing", remedy="register this server there; see its answer"
        )
    if "openid" not in provider.scopes.split():
        raise ConfigurationError(
            f"providers.scopes of {provider.name} do not name openid", remedy='write "openid email profile"'
        )


def _check_issuer(provider: ProviderSettings) -> None:
    where = f"providers.issuer of {provider.name} = {provider.issuer!r}"
    no_address = ConfigurationError(f"{where} is no address", remedy="give its https address, without ? and #")
    try:
        parts = web_address(provider.issuer)
    except ValueError as exc:
        raise no_address from exc
    if parts.query or parts.fragment:
        raise no_address
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ConfigurationError(f"{where} is not protected", remedy="use https; http is for this machine alone")


def _check_links(settings: Settings) -> None:
    """What is mailed, and where providers send people back to, is opened elsewhere and later."""
    host, port = settings.server.host, settings.server.port
    reachable = settings.door.public_url or (host not in EVERYWHERE and port)
    if (settings.mail.configured or settings.providers) and not reachable:
        raise ConfigurationError(
            f"door.public_url (PUBLIC_URL) is not set, and nobody is reached at HOST={host}, PORT={port}",
            remedy="set PUBLIC_URL to the address by which people reach this server: https://larder.example.org",
        )
