"""/v1/admin/audit: who did what, when, from where, and how it ended."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from pydantic import Field, TypeAdapter

from backend.src.services.audit import Audit, AuditFilters, AuditRecord
from backend.src.web.access import Access
from backend.src.web.boilerplates import CSV, Boilerplates
from backend.src.web.inputs import IdText, Moment, PageSize, Token
from backend.src.web.inputs import Query as SearchText
from backend.src.web.models import ResponseModel
from backend.src.web.paging import page_of, read_token, write_token
from backend.src.web.routes import Route

TOKEN = "audit"
FILE_NAME = "larder-audit.csv"
EXPORTED = "id,...,action,target,...\n17,...,DELETE /v1/pvs/{id},17,...\n"


class AuditState(ResponseModel):
    """One entry. `status` is that of the HTTP answer; null: it began, and how it ended is not known."""

    id: IdText
    at: datetime
    actor_kind: str | None = Field(examples=["user"])
    actor_id: str | None = Field(examples=["2"])
    actor_name: str | None = Field(examples=["Ann Smith"])
    action: str = Field(examples=["DELETE /v1/pvs/{id}"])
    target: str | None = Field(examples=["17"])
    detail: dict[str, Any] | None
    address: str | None = Field(examples=["10.1.4.20"])
    request_id: str | None = Field(examples=["0d2b7f6c1e9a4835"])
    status: int | None = Field(examples=[200])


_page = TypeAdapter(list[AuditState])


def wanted(
    actor: Annotated[
        SearchText | None,
        Query(
            description="who did it, as records name them; or a name; or an id, of a person and a key alike",
            examples=["Ann Smith (user 5)"],
        ),
    ] = None,
    action: Annotated[
        SearchText | None,
        Query(description="method and path of a route, or what else happened", examples=["DELETE /v1/pvs/{id}"]),
    ] = None,
    target: Annotated[SearchText | None, Query(description="what it was done to: an id", examples=["17"])] = None,
    address: Annotated[SearchText | None, Query(description="where it came from", examples=["10.1.4.20"])] = None,
    request_id: Annotated[
        SearchText | None,
        Query(alias="requestId", description="of the answer's X-Request-ID", examples=["0d2b7f6c1e9a4835"]),
    ] = None,
    from_: Annotated[Moment | None, Query(alias="from", description="at this time or later")] = None,
    to: Annotated[Moment | None, Query(description="before this time")] = None,
) -> AuditFilters:
    """The filters of a request."""
    return AuditFilters(actor, action, target, address, request_id, from_, to)


Filters = Annotated[AuditFilters, Depends(wanted)]


class AuditEndpoint:
    """Reads the trail; nobody can write or remove an entry from outside."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def routes(self) -> tuple[Route, ...]:
        """The list and the file."""
        common: dict[str, Any] = {"access": Access.ADMIN, "tags": ("Administration",)}
        base, text = "/v1/admin/audit", {"type": "string", "examples": [EXPORTED]}
        return (
            Route("GET", base, self.entries, summary="Read the audit trail", response_model=list[AuditState], **common),
            Route(
                "GET", f"{base}/export", self.export, summary="Export the audit trail", content={CSV: text}, **common
            ),
        )

    async def entries(
        self,
        request: Request,
        filters: Filters,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 100,
        continuation_token: Annotated[Token | None, Query(alias="continuationToken")] = None,
    ) -> Response:
        """Newest first; the Link header leads to the next page."""
        after = read_token(continuation_token, TOKEN, datetime, int) if continuation_token else None
        found = await self._audit.entries(filters, after=after, limit=page_size + 1)
        page, headers = page_of(request, found, page_size, lambda last: write_token(TOKEN, last.at, last.id))
        return Boilerplates.encoded_json(_page.dump_json([_state(one) for one in page]), headers=headers)

    async def export(self, filters: Filters) -> Response:
        """Newest first. A cell that a spreadsheet would calculate begins with an apostrophe."""
        return Boilerplates.csv(await self._audit.export_csv(filters), FILE_NAME)


def _state(record: AuditRecord) -> AuditState:
    return AuditState.model_validate(asdict(record))
