"""/v1/pvs: the catalogue's PVs. Their live values are in live.py, their list as a file in pv_import.py."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Conflict, Invalid
from backend.src.services.accounts import Principal
from backend.src.services.catalog import Catalog, Inventory, Page, Pv, PvDraft, listing
from backend.src.services.catalog.pv_edits import at_position
from backend.src.services.live import LiveNames, LiveTable
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.audit_trail import note_outcome
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.conditional import Validators
from backend.src.web.endpoints.pv_import import TAGS
from backend.src.web.entry_blocks import entries_json, with_entries
from backend.src.web.inputs import BodyId, Limit, Offset, PageSize, PathId, Token
from backend.src.web.inputs import Query as QueryText
from backend.src.web.paging import read_token, write_token
from backend.src.web.pv_models import (
    MOST_PVS,
    ChangedPv,
    Device,
    FoundPvs,
    NewPv,
    PagedPvs,
    PvAnswer,
    pv_json,
    pvs_json,
    read_tag_filters,
)
from backend.src.web.routes import BodyLimit, Route

BASE = "/v1/pvs"
LIST = "pvs"
LONGEST_LIST = 1_000
LONGEST_FILTERS = 100_000

PvName = Annotated[
    QueryText | None, Query(alias="pvName", description="part of an address, device or description; any case")
]
After = Annotated[Token | None, Query(alias="continuationToken", description="from the page before")]
# as other clients spell them; the document has one spelling, for generators make one name of both
MoreDevices = Annotated[list[Device], Query(alias="devices[]", max_length=1_000, include_in_schema=False)]
MoreTags = Annotated[list[BodyId], Query(alias="tags[]", max_length=1_000, include_in_schema=False)]
NewPvs = Annotated[list[NewPv], Field(max_length=MOST_PVS)]


class PvsEndpoint:
    """Lists, finds, makes, changes and deletes PVs."""

    def __init__(self, catalog: Catalog, live: LiveTable, names: LiveNames) -> None:
        self._catalog = catalog
        self._live = live
        self._names = names

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        read, write, one, many = Access.READ, Access.WRITE, PvAnswer, list[PvAnswer]
        taken = (Conflict,)
        return (
            Route("GET", BASE, self.list_pvs, access=read, summary="List PVs", tags=TAGS, response_model=many,
                  conditional=True),
            Route("GET", f"{BASE}/paged", self.page, access=read, summary="List PVs by pages", tags=TAGS,
                  response_model=PagedPvs, conditional=True),
            Route("GET", f"{BASE}/search", self.search, access=read, summary="Search PVs", tags=TAGS,
                  response_model=FoundPvs, conditional=True),
            Route("GET", f"{BASE}/devices", self.devices, access=read, summary="List devices", tags=TAGS),
            Route("GET", f"{BASE}/{{id}}", self.get, access=read, summary="One PV", tags=TAGS, response_model=one),
            Route("POST", BASE, self.create, access=write, summary="Make a PV", tags=TAGS, response_model=one,
                  errors=taken),
            Route("POST", f"{BASE}/multi", self.create_many, access=write, summary="Make many PVs, or none",
                  tags=TAGS, response_model=many, errors=taken, body_limit=BodyLimit.IMPORT),
            Route("PUT", f"{BASE}/{{id}}", self.update, access=write, summary="Change a PV", tags=TAGS,
                  response_model=one, errors=taken),
            Route("DELETE", f"{BASE}/{{id}}", self.delete, access=write, summary="Delete a PV", tags=TAGS),
        )  # fmt: skip

    async def list_pvs(
        self,
        request: Request,
        pv_name: PvName = None,
        after: After = None,
    ) -> Response:
        """In name order, at most 1000; the Link header leads to the next ones."""
        key, inventory = _key(after), await self._catalog.inventory()
        state = self._state(request, inventory)
        if (unchanged := state.unchanged(request)) is not None:
            return unchanged
        page = listing.page(inventory, text=pv_name, size=LONGEST_LIST, after=key)
        token = _token(page)
        following = Boilerplates.next_link(request, token) if token else {}
        return Boilerplates.json(self._many(page.pvs), headers=state.headers() | following)

    async def page(
        self,
        request: Request,
        pv_name: PvName = None,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 100,
        after: After = None,
        tag_filters: Annotated[
            str | None,
            Query(
                alias="tagFilters",
                max_length=LONGEST_FILTERS,
                description="JSON, {groupId: [tagId]}: one of the tags within a group, and that for every group",
                examples=['{"1": ["4", "5"]}'],
            ),
        ] = None,
    ) -> Response:
        """In name order; a page stays where it is when PVs before it come or go."""
        filters, key = read_tag_filters(tag_filters), _key(after)
        inventory = await self._catalog.inventory()
        state = self._state(request, inventory)
        if (unchanged := state.unchanged(request)) is not None:
            return unchanged
        page = listing.page(inventory, text=pv_name, tag_filters=filters, size=page_size, after=key)
        content = {"results": self._many(page.pvs), "continuationToken": _token(page), "totalCount": page.total}
        return Boilerplates.json(content, headers=state.headers())

    async def search(
        self,
        request: Request,
        q: Annotated[QueryText | None, Query(description="part of an address, device or description; any case")] = None,
        devices: Annotated[list[Device], Query(description="PVs of one of these", max_length=1_000)] = [],  # noqa: B006
        more_devices: MoreDevices = [],  # noqa: B006
        tags: Annotated[list[BodyId], Query(description="PVs with any of these tags", max_length=1_000)] = [],  # noqa: B006
        more_tags: MoreTags = [],  # noqa: B006
        limit: Limit = 100,
        offset: Offset = 0,
        include_live_values: Annotated[bool, Query(description="with the live values of all addresses")] = False,
    ) -> Response:
        """In name order; totalCount counts all that match. devices[] and tags[] are the same as those without."""
        inventory, devices, tags = await self._catalog.inventory(), [*devices, *more_devices], [*tags, *more_tags]
        state = self._state(request, inventory)
        if not include_live_values and (unchanged := state.unchanged(request)) is not None:
            return unchanged
        page = listing.search(inventory, text=q, devices=devices, tag_ids=tags, limit=limit, offset=offset)
        results = await asyncio.to_thread(self._many, page.pvs)
        content = {"results": results, "totalCount": page.total, "limit": limit, "offset": offset}
        if not include_live_values:
            return Boilerplates.json(content, headers=state.headers())
        return await self._with_live(content, inventory, page)

    async def devices(self) -> list[Device]:
        """The devices that PVs name, sorted."""
        return await self._catalog.devices()

    async def get(self, id: PathId) -> Response:
        """With its tags; its values are under /v1/pvs/live."""
        return self._one(await self._catalog.get(id))

    async def create(self, new: NewPv, principal: Principal = CurrentPrincipal) -> Response:
        """409 when the setpoint (without one: the readback) is in the catalogue already."""
        (pv,) = await self._catalog.create([new.draft(self._catalog.address)], principal.name)
        note_outcome(str(pv.id))
        return self._one(pv)

    async def create_many(self, new: NewPvs, principal: Principal = CurrentPrincipal) -> Response:
        """All of them or none, answered in the order of the request."""
        drafts = await asyncio.to_thread(self._drafts, new)
        pvs = await self._catalog.create(drafts, principal.name)
        note_outcome(created=len(pvs))
        return Boilerplates.json(await asyncio.to_thread(self._many, pvs))

    async def update(self, id: PathId, changed: ChangedPv, principal: Principal = CurrentPrincipal) -> Response:
        """Fields left out stay; null clears; at least one address stays."""
        changes = changed.changes(self._catalog.address)
        return self._one(await self._catalog.update(id, changes, principal.name))

    async def delete(self, id: PathId) -> bool:
        """Snapshots keep its values."""
        await self._catalog.delete(id)
        return True

    def _drafts(self, new: list[NewPv]) -> list[PvDraft]:
        return [self._draft(position, pv) for position, pv in enumerate(new)]

    def _draft(self, position: int, new: NewPv) -> PvDraft:
        try:
            return new.draft(self._catalog.address)
        except Invalid as error:
            raise at_position(error, position) from error

    def _state(self, request: Request, inventory: Inventory) -> Validators:
        """Every change of a PV or a tag raises the version."""
        return Validators.weak(request, inventory.version, self._catalog.default_protocol)

    def _one(self, pv: Pv) -> Response:
        return Boilerplates.json(pv_json(pv, self._catalog.default_protocol))

    def _many(self, pvs: tuple[Pv, ...] | list[Pv]) -> list[dict[str, object]]:
        return pvs_json(pvs, self._catalog.default_protocol)

    async def _with_live(self, content: dict[str, object], inventory: Inventory, page: Page) -> Response:
        names = [name for pv in page.pvs for name in inventory.short_addresses(inventory.row_of[pv.id])]
        named = self._names.find(inventory, names)
        entries = await entries_json(named.names, self._live.frame(named.slots), self._live.stale(named.slots))
        return Boilerplates.encoded_json(with_entries(content, "liveValues", entries))


def _key(token: str | None) -> tuple[str, int] | None:
    if not token:
        return None
    name, pv_id = read_token(token, LIST, str, int)
    return name, pv_id


def _token(page: Page) -> str | None:
    return write_token(LIST, *page.next_after) if page.next_after else None
