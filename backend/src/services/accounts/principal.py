"""Who is asking, and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """A right. None implies another: restoring is apart from writing, administration from both.

    MANAGE is keys and retention; whoever holds ADMIN may do what MANAGE may, because Access.MANAGE names both.
    """

    READ = "read"
    WRITE = "write"
    RESTORE = "restore"
    MANAGE = "manage"
    ADMIN = "admin"


class PrincipalKind(StrEnum):
    """How they proved who they are."""

    KEY = "key"
    LOCAL = "local"
    USER = "user"
    CRON = "cron"


class Role(StrEnum):
    """What a person is, and with it the most that they may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    MANAGER = "manager"
    ADMINISTRATOR = "administrator"

    @property
    def scopes(self) -> frozenset[Scope]:
        """The rights of the role."""
        return ROLE_SCOPES[self]


ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.OPERATOR: frozenset({Scope.READ, Scope.WRITE, Scope.RESTORE}),
    Role.MANAGER: frozenset({Scope.READ, Scope.WRITE, Scope.RESTORE, Scope.MANAGE}),
    Role.ADMINISTRATOR: frozenset(Scope),
}

LONGEST_CALLED = 200  # in a name, which has to fit into its column with the id


@dataclass(frozen=True, slots=True)
class Principal:
    """A program (key), the operator at this machine's command line (local), a person (user), the clock (cron)."""

    kind: PrincipalKind
    id: str
    called: str
    scopes: frozenset[Scope]
    session: str | None = None  # of a person: which of their sessions asks

    @property
    def name(self) -> str:
        """For records that keep nothing else of who it was: people and keys choose what they are called, no id."""
        match self.kind:
            case PrincipalKind.USER | PrincipalKind.KEY:
                return f"{self.called[:LONGEST_CALLED]} ({self.kind} {self.id})"
            case PrincipalKind.LOCAL | PrincipalKind.CRON:
                return self.called

    def may(self, scope: Scope) -> bool:
        """True when they hold this right."""
        return scope in self.scopes


def in_order(scopes: Iterable[Scope]) -> tuple[Scope, ...]:
    """The scopes once each, in the order in which Scope lists them."""
    held = frozenset(scopes)
    return tuple(scope for scope in Scope if scope in held)
