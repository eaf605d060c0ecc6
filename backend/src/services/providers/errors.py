"""What a login with a provider can come to."""

from __future__ import annotations

from backend.src.core.errors import Conflict, Forbidden, NotFound, Unauthenticated


class ProviderNotFound(NotFound):
    """No [[providers]] of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"identity provider {name} not found", remedy="GET /oauth/providers lists them")


class AttemptUnknown(Unauthenticated):
    """Never begun, finished already, too long ago, or begun by another browser: which of them, nobody is told."""

    def __init__(self) -> None:
        super().__init__(
            "this login is not known here, was finished already, or took too long", remedy="begin the login again"
        )


class NotAdmitted(Forbidden):
    """The provider says who it is, and this server does not let them in."""


class IdentityNotFound(NotFound):
    """The id names no identity of this person."""

    def __init__(self, identity_id: int) -> None:
        super().__init__(f"identity {identity_id} not found")


class LastWayIn(Conflict):
    """They could never log in again."""

    def __init__(self) -> None:
        super().__init__("there is no other way into this account", remedy="set a password first: have it reset")
