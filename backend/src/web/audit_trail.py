"""Requests in the audit trail: an entry before the handler begins, its status before the answer leaves.

A process killed in between leaves an entry without a status: begun, and nobody knows how it ended. Bodies are never
noted; of a query only what the route declares, so that a secret put into the address by mistake is not kept. A handler
says itself what it made, and what else should be known of it (note_outcome).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import LarderError
from backend.src.services.audit import Audit, AuditEntry
from backend.src.web.access import attempting
from backend.src.web.client_address import client_address
from backend.src.web.http_codes import HttpCodes
from backend.src.web.problems import shape_of
from backend.src.web.routes import Route

Handle = Callable[[Request], Coroutine[Any, Any, Response]]

LONGEST_VALUE = 200
MOST_VALUES = 20


@dataclass(slots=True)
class Outcome:
    """What the entry of a request shall say in the end."""

    target: str | None
    detail: dict[str, Any]


_outcome: ContextVar[Outcome] = ContextVar("outcome")


def note_outcome(target: str | None = None, **detail: Any) -> None:
    """Adds to the entry of the request under way: the id of what it made, the right that it gave. Never a secret."""
    outcome = _outcome.get(None)
    if outcome is not None:  # None: nothing is noted in this process
        outcome.target = outcome.target or target
        outcome.detail |= detail


class AuditTrail:
    """Follows the requests of one route."""

    def __init__(self, audit: Audit, route: Route, declared: Collection[str]) -> None:
        self._audit = audit
        self._action = f"{route.method} {route.path}"
        self._declared = frozenset(declared)

    async def follow(self, request: Request, handle: Handle) -> Response:
        """Handles the request between the two writes. Raises Unavailable when the first fails: nothing was done."""
        entry = self._entry(request)
        entry_id, outcome = await self._audit.begin(entry), Outcome(entry.target, dict(entry.detail or {}))
        _outcome.set(outcome)
        try:
            response = await handle(request)
        except Exception as error:
            await self._audit.end(entry_id, status_of(error), outcome.target, outcome.detail)
            raise
        await self._audit.end(entry_id, response.status_code, outcome.target, outcome.detail)
        return response

    async def refuse(self, request: Request) -> None:
        """Notes that somebody known tried what they may not."""
        await self._audit.note(self._entry(request, status=HttpCodes.FORBIDDEN))

    def _entry(self, request: Request, status: int | None = None) -> AuditEntry:
        return AuditEntry(
            self._action,
            actor=attempting(request.scope),
            target="/".join(map(str, request.path_params.values())) or None,
            detail=self._detail(request),
            address=client_address(request.scope) or None,
            status=status,
        )

    def _detail(self, request: Request) -> dict[str, str] | None:
        asked = [(name, value) for name, value in request.query_params.multi_items() if name in self._declared]
        return {name: value[:LONGEST_VALUE] for name, value in asked[:MOST_VALUES]} or None


def status_of(error: Exception) -> int:
    """The status with which this error will be answered."""
    match error:
        case LarderError():
            return shape_of(type(error)).status
        case HTTPException():
            return error.status_code
        case RequestValidationError():
            return HttpCodes.UNPROCESSABLE_CONTENT
        case _:
            return HttpCodes.INTERNAL_SERVER_ERROR
