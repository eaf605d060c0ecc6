"""/v1/users/me/sessions and /v1/users/{id}/sessions: where somebody is logged in, and the end of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from backend.src.services.accounts import Principal, Scope, Session, Sessions
from backend.src.services.accounts.users import Users
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.endpoints.profile import ME, person_of
from backend.src.web.inputs import OpaqueId, PageSize, PathId, Token
from backend.src.web.models import ResponseModel
from backend.src.web.paging import page_of, read_token, write_token
from backend.src.web.routes import Route

TAGS = ("Sessions",)
LIST = "sessions"


class SessionAnswer(ResponseModel):
    """A login that goes on. scopes: null for whatever the role allows. current: the one that asks."""

    id: str = Field(examples=["4b1d8e07c2a96f35"])
    method: str = Field(examples=["password"])
    client_id: str | None
    scopes: list[Scope] | None
    device: str | None = Field(examples=["Firefox on Linux"])
    address: str | None = Field(examples=["10.1.4.20"])
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool

    @classmethod
    def of(cls, session: Session, current: str | None) -> Self:
        """The wire's form; `current` is the id of the session that asks."""
        return cls.model_validate({**asdict(session), "current": session.id == current})


class SessionsEndpoint:
    """Lists sessions and ends them."""

    def __init__(self, sessions: Sessions, users: Users) -> None:
        self._sessions = sessions
        self._users = users

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        mine, theirs = f"{ME}/sessions", "/v1/users/{user_id}/sessions"
        return (
            Route("GET", mine, self.list_mine, access=Access.READ, tags=TAGS, summary="Where you are logged in"),
            Route("DELETE", mine, self.end_mine, access=Access.READ, tags=TAGS, summary="Log out elsewhere"),
            Route(
                "DELETE", f"{mine}/{{session_id}}", self.end_one_of_mine,
                access=Access.READ, tags=TAGS, summary="End one of your sessions",
            ),
            Route("GET", theirs, self.list_theirs, access=Access.ADMIN, tags=TAGS, summary="Sessions of a person"),
            Route("DELETE", theirs, self.end_theirs, access=Access.ADMIN, tags=TAGS, summary="Log a person out"),
        )  # fmt: skip

    async def list_mine(
        self,
        request: Request,
        response: Response,
        principal: Principal = CurrentPrincipal,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 100,
        continuation_token: Annotated[Token | None, Query(alias="continuationToken")] = None,
    ) -> list[SessionAnswer]:
        """Newest first; the next page is in the Link header."""
        user_id = person_of(principal)
        return await self._page(request, response, user_id, principal.session, page_size, continuation_token)

    async def end_mine(
        self,
        principal: Principal = CurrentPrincipal,
        include_current: Annotated[bool, Query(alias="includeCurrent", description="this one, too")] = False,
    ) -> bool:
        """Every session but the one that asks; takes effect within two seconds everywhere."""
        keep = None if include_current else principal.session
        await self._sessions.revoke_all(person_of(principal), "logout", keep=keep)
        return True

    async def end_one_of_mine(self, session_id: OpaqueId, principal: Principal = CurrentPrincipal) -> bool:
        """It may be the one that asks."""
        await self._sessions.revoke(session_id, "logout", user_id=person_of(principal))
        return True

    async def list_theirs(
        self,
        request: Request,
        response: Response,
        user_id: PathId,
        principal: Principal = CurrentPrincipal,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 100,
        continuation_token: Annotated[Token | None, Query(alias="continuationToken")] = None,
    ) -> list[SessionAnswer]:
        """Newest first; the next page is in the Link header."""
        await self._users.get(user_id)
        return await self._page(request, response, user_id, principal.session, page_size, continuation_token)

    async def end_theirs(self, user_id: PathId) -> bool:
        """Ends every session of theirs; takes effect within two seconds everywhere."""
        await self._users.get(user_id)
        await self._sessions.revoke_all(user_id, "administrator")
        return True

    async def _page(
        self, request: Request, response: Response, user_id: int, current: str | None, size: int, token: str | None
    ) -> list[SessionAnswer]:
        after = None if token is None else read_token(token, LIST, datetime, str)
        found = await self._sessions.of(user_id, after=after, limit=size + 1)
        page, headers = page_of(request, found, size, lambda last: write_token(LIST, last.created_at, last.id))
        response.headers.update(headers)
        return [SessionAnswer.of(session, current) for session in page]
