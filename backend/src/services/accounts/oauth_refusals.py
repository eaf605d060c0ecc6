"""What the OAuth endpoints refuse, in the words of RFC 6749 (4.1.2.1 and 5.2) and RFC 7009 (2.2.1)."""

from __future__ import annotations

from enum import StrEnum

from backend.src.core.errors import Unauthenticated


class Fault(StrEnum):
    """The registered error codes that Larder uses."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    INVALID_SCOPE = "invalid_scope"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"


class OAuthRefused(Unauthenticated):
    """A client, or what it asked for, was refused; `fault` is for programs, the message for people."""

    def __init__(self, fault: Fault, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.fault = fault
