"""Who is asking, and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """A right. None implies another: restoring is apart from writing, administration from both."""

    READ = "read"
    WRITE = "write"
    RESTORE = "restore"
    ADMIN = "admin"


class PrincipalKind(StrEnum):
    """How they proved who they are."""

    KEY = "key"
    LOCAL = "local"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Principal:
    """A program (key), the operator at this machine's command line (local) or a person (user)."""

    kind: PrincipalKind
    id: str
    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """True when they hold this right."""
        return scope in self.scopes


def in_order(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """The scopes once each, in the order in which Scope lists them."""
    held = frozenset(scopes)
    return tuple(scope for scope in Scope if scope in held)
