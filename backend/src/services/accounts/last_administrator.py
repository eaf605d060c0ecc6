"""Somebody must be able to administer this server from elsewhere than its own machine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from backend.src.core.errors import Conflict
from backend.src.services.accounts import api_key_rows, user_rows
from backend.src.services.accounts.api_key_rows import ApiKey
from backend.src.services.accounts.principal import Scope


def keep_an_administrator(connection: Connection, key: ApiKey, now: datetime) -> None:
    """Raises Conflict when nobody but this key is an administrator.

    Call it in a transaction that touches api_keys: those follow one another, so two cannot each leave it to the
    other. Nobody can take away the last person who is an administrator meanwhile: user_rows keeps that one too.
    """
    if Scope.ADMIN not in key.scopes or not key.good_at(now):
        return
    if _other_keys(connection, key, now) or user_rows.able_administrators(connection):
        return
    raise Conflict(
        f"{key.app_name} is the last credential of an administrator",
        remedy="make another first, or add force=true: the command line on the server's own machine can make new ones",
    )


def _other_keys(connection: Connection, key: ApiKey, now: datetime) -> bool:
    """One that was rotated and will end counts no more."""
    keys = api_key_rows.list_keys(connection, active_only=True)
    lasting = (one for one in keys if one.good_at(now) and (one.rotated_to is None or one.expires_at is None))
    return any(one.id != key.id and Scope.ADMIN in one.scopes for one in lasting)
