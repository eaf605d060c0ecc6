"""Every error that Larder raises on purpose, in one tree.

    LarderError
    |-- Invalid            the request makes no sense as it stands (with FieldErrors)
    |-- Unauthenticated    nobody knows who is asking
    |-- Forbidden          the one who asks may not
    |-- NotFound           what was named is not there
    |-- Conflict           it would break something that is already so
    |   `-- Busy           something that runs alone is running
    |-- TooLarge           more than the configured limit
    |-- TooMany            too many requests, clients or subscriptions
    |-- TimedOut           the machine or a server did not answer in time
    |-- Unavailable        a server that is needed is away
    `-- StartFailed        a service could not start; nothing runs

An error names the thing and, where there is one, the remedy. No status code is known here: web gives
each class its own (web/problems.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one part of an input; `where` is its path, e.g. ("pvs", 3, "setpoint")."""

    where: tuple[str | int, ...]
    message: str


class LarderError(Exception):
    """The root. `remedy` says what to do about it, None when nothing can be done."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Invalid(LarderError):
    """The request makes no sense as it stands."""

    def __init__(self, message: str, *, errors: Sequence[FieldError] = (), remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.errors = tuple(errors)


class Unauthenticated(LarderError):
    """Nobody knows who is asking."""


class Forbidden(LarderError):
    """The one who asks may not."""


class NotFound(LarderError):
    """What was named is not there."""


class Conflict(LarderError):
    """It would break something that is already so."""


class Busy(Conflict):
    """Something that runs alone is running."""


class TooLarge(LarderError):
    """More than the configured limit."""


class TooMany(LarderError):
    """Too many requests, clients or subscriptions; with the seconds to wait, when they are known."""

    def __init__(self, message: str, *, remedy: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class TimedOut(LarderError):
    """The machine or a server did not answer in time."""


class Unavailable(LarderError):
    """A server that is needed is away."""


class StartFailed(LarderError):
    """A service could not start; what had started was stopped again."""
