"""Endpoints that do nothing, one of each kind."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response, WebSocket
from pydantic import Field

from backend.src.core import errors
from backend.src.services.accounts import Principal
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.inputs import BodyId, Labels, Name, PathId, Text, Tolerance
from backend.src.web.models import RequestModel, ResponseModel
from backend.src.web.routes import SOCKET, BodyLimit, Route


class Thing(RequestModel):
    """What is sent."""

    the_name: Name
    description: Text = ""
    labels: Labels = Field(default=[])
    tag_ids: list[BodyId] = Field(default=[])
    abs_tolerance: Tolerance = 0.0


class Kept(ResponseModel):
    """What comes back."""

    the_name: str
    kept_by: str


class Sample:
    """Its handlers note that they were reached."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.error: Exception | None = None

    def routes(self) -> tuple[Route, ...]:
        """One of each kind."""
        return (
            Route("GET", "/things/{thing_id}", self.get, access=Access.READ, summary="Get", tags=("Things",)),
            Route("GET", "/things/newest", self.newest, access=Access.READ, summary="Newest", tags=("Things",)),
            Route("GET", "/v1/kept/things/{thing_id}", self.get, access=Access.READ, summary="Get"),
            Route("GET", "/v1/kept/things/newest", self.newest, access=Access.READ, summary="Newest"),
            Route("POST", "/things", self.post, access=Access.WRITE, summary="Add", tags=("Things",)),
            Route("DELETE", "/things", self.fail, access=Access.ADMIN, summary="Fail", errors=(errors.Conflict,)),
            Route("PUT", "/things", self.fail, access=Access.INTERVENE, summary="Stop"),
            Route("POST", "/import", self.take, access=Access.WRITE, summary="Import", body_limit=BodyLimit.IMPORT),
            Route("GET", "/large", self.large, access=Access.READ, summary="Large", response_model=list[Kept]),
            Route("GET", "/csv", self.csv, access=Access.READ, content={"text/csv": {"type": "string"}}),
            Route("GET", "/open", self.open, access=Access.OPEN, summary="Open"),
            Route(SOCKET, "/live", self.live, access=Access.READ),
        )

    async def get(self, thing_id: PathId, principal: Principal = CurrentPrincipal) -> Kept:
        """Echoes."""
        self.reached.append(f"get {thing_id!r}")
        return Kept(the_name=str(thing_id), kept_by=principal.called)

    async def newest(self, some: Annotated[list[str], Query(alias="tags[]")] = []) -> Kept:  # noqa: B006
        """A fixed path beside one with a parameter."""
        return Kept(the_name="newest", kept_by=",".join(some))

    async def post(self, thing: Thing, principal: Principal = CurrentPrincipal) -> Kept:
        """Echoes."""
        self.reached.append("post")
        return Kept(the_name=thing.the_name, kept_by=principal.called)

    async def fail(self) -> Kept:
        """Raises what the test wants."""
        self.reached.append("fail")
        if self.error is not None:
            raise self.error
        return Kept(the_name="", kept_by="")

    async def take(self, request: Request) -> Kept:
        """Takes any bytes."""
        return Kept(the_name=str(len(await request.body())), kept_by="")

    async def large(self) -> Response:
        """Much."""
        return Boilerplates.json([{"theName": f"PV:{i}", "keptBy": ""} for i in range(2_000)])

    async def csv(self) -> Response:
        """Not JSON."""
        return Response("a,b\n", media_type="text/csv")

    async def open(self) -> dict[str, bool]:
        """For anybody."""
        return {"alive": True}

    async def live(self, websocket: WebSocket, principal: Principal = CurrentPrincipal) -> None:
        """Says who it talks to, then echoes once."""
        self.reached.append("live")
        await websocket.send_text(principal.called)
        if self.error is not None:
            raise self.error
        await websocket.send_text(await websocket.receive_text())
