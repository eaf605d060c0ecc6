"""A route: method, path, handler, access, and what /openapi.json says of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import Enum, StrEnum
from typing import Any

from backend.src.core.errors import LarderError
from backend.src.web.access import Access
from backend.src.web.http_codes import HttpCodes
from backend.src.web.rate_limits import RateClass

SOCKET = "WS"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", SOCKET})

_parameter = re.compile(r"\{[^}]*\}")


class BodyLimit(StrEnum):
    """How large a request body may be: server.request_body_bytes or server.import_body_bytes."""

    REQUEST = "request"
    IMPORT = "import"


class Inferred(Enum):
    """Says that a handler's return annotation is its response model."""

    INFERRED = "inferred"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `method` is an HTTP method, or SOCKET for a WebSocket (only path, handler and access count then).

    response_model: a type for the JSON answer, needed when the handler returns a Response itself.
    content: media type -> schema of an answer that is not JSON, e.g. {"text/csv": {"type": "string"}}.
    request_content: media type -> schema of a body that the handler reads itself from the Request.
    errors: classes of the error tree that this route may raise beyond those that follow from its shape
    (401, 403, 404 with an id in the path, 413, 422, 429).
    responses: status -> response, as OpenAPI has it, where a refusal is no problem document.
    conditional: its answer carries an ETag, and whoever sends that back gets 304 while it is so (web/conditional.py).
    by_parts: a part of its answer may be asked for with Range (web/byte_ranges.py).
    limited: LOGIN for what a stranger may try again and again: logins, registrations, resets.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    _: KW_ONLY
    access: Access
    summary: str = ""
    description: str | None = None
    tags: tuple[str, ...] = ()
    response_model: Any = Inferred.INFERRED
    status: HttpCodes = HttpCodes.OK
    content: Mapping[str, Mapping[str, Any]] | None = None
    request_content: Mapping[str, Mapping[str, Any]] | None = None
    errors: tuple[type[LarderError], ...] = ()
    responses: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    conditional: bool = False
    by_parts: bool = False
    body_limit: BodyLimit = BodyLimit.REQUEST
    limited: RateClass | None = None
    documented: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS or not self.path.startswith("/"):
            raise ValueError(f"no route: {self.method} {self.path}")

    @property
    def shape(self) -> tuple[str, str]:
        """What may exist only once: the method, and the path whatever its parameters are called."""
        return self.method, _parameter.sub("{}", self.path)

    @property
    def leaves_trace(self) -> bool:
        """Whether the audit trail tells of it: whatever may change something. A POST for readers only asks."""
        asks = self.method in ("GET", SOCKET) or (self.method == "POST" and self.access is Access.READ)
        return not asks and self.access is not Access.OPEN

    @property
    def operation_id(self) -> str:
        """A name that stays when a path does; clients are generated from it."""
        words = re.sub(r"\W+", "_", self.path).strip("_")
        return f"{self.method.lower()}_{words}" if words else f"{self.method.lower()}_root"
