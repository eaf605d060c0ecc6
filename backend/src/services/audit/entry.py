"""An entry of the audit trail, before and after it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


class Actor(Protocol):
    """Who did it: services/accounts' Principal, as far as the trail needs it."""

    @property
    def kind(self) -> str:
        """user, key, local or cron."""

    @property
    def id(self) -> str:
        """Among those of its kind."""

    @property
    def called(self) -> str:
        """As it was at the time; kind and id say who it was."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What shall be noted. Never a body, a password, a code or a token.

    actor: None when nobody is known, such as at a failed login. status: of the HTTP answer, or None. The request under
    way is noted by itself.
    """

    action: str
    actor: Actor | None = None
    target: str | None = None
    detail: Mapping[str, Any] | None = None
    address: str | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What was noted. Without a status it had begun, and how it ended is not known."""

    id: int
    at: datetime
    actor_kind: str | None
    actor_id: str | None
    actor_name: str | None
    action: str
    target: str | None
    detail: dict[str, Any] | None
    address: str | None
    request_id: str | None
    status: int | None


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Which entries are wanted; None is any.

    actor: as records name somebody, Ann Smith (user 5); or a name; or an id, of a person and a key alike. action: the
    whole action. from_ is included, to is not.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    address: str | None = None
    request_id: str | None = None
    from_: datetime | None = None
    to: datetime | None = None
