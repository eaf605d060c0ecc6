"""Snapshots beside each other, beside the machine, and one PV through all of them."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Unavailable
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.services.snapshots import Comparisons, Snapshots, history
from backend.src.web.access import Access
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.endpoints.snapshots import BASE, LIST, TAGS, After, read_after
from backend.src.web.inputs import OpaqueId, PvText, Tolerance
from backend.src.web.paging import write_token
from backend.src.web.routes import Route
from backend.src.web.snapshot_json import comparison_json, history_json
from backend.src.web.snapshot_models import ComparisonAnswer, HistoryValue

MOST_ARCHIVES = 50  # that one request may open

Other = Annotated[
    str,
    Path(pattern=r"^([0-9a-f]{16}|live)$", description="a snapshot's id, or live for the machine", examples=["live"]),
]
Archives = Annotated[int, Query(alias="pageSize", ge=1, le=MOST_ARCHIVES, description="snapshots, not values")]
Override = Annotated[Tolerance | None, Query(description="absolute, in place of every PV's own tolerances")]
OnlyDifferences = Annotated[bool, Query(alias="onlyDifferences", description="false lists what agrees too")]


class SnapshotComparisonEndpoint:
    """Reads snapshots; changes nothing."""

    def __init__(self, snapshots: Snapshots, comparisons: Comparisons, default_protocol: Protocol) -> None:
        self._snapshots = snapshots
        self._comparisons = comparisons
        self._default = default_protocol

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        read, away = Access.READ, (Unavailable,)
        return (
            Route("GET", f"{BASE}/{{first}}/compare/{{second}}", self.compare, access=read, tags=TAGS, errors=away,
                  summary="Compare two snapshots, or one with the machine", response_model=ComparisonAnswer),
            Route("GET", f"{BASE}/{{id}}/history", self.history, access=read, tags=TAGS, errors=away,
                  summary="One PV over all snapshots, newest first", response_model=list[HistoryValue]),
        )  # fmt: skip

    async def compare(
        self, first: OpaqueId, second: Other, tolerance: Override = None, only_differences: OnlyDifferences = True
    ) -> Response:
        """Field by field, in name order. The machine is read anew when nobody keeps its live values true."""
        compared = await self._comparisons.compare(first, second, tolerance)
        content = await asyncio.to_thread(comparison_json, compared, only_differences=only_differences)
        return await asyncio.to_thread(Boilerplates.json, content)

    async def history(
        self,
        request: Request,
        id: OpaqueId,
        pv_name: Annotated[PvText, Query(alias="pvName", description="an address of the PV")],
        page_size: Archives = 20,
        after: After = None,
    ) -> Response:
        """In every snapshot that holds the channel, not only in this one. The Link header leads to the next page."""
        await self._snapshots.get(id)
        address = PvAddress.parse(pv_name, self._default)
        page = await history(self._snapshots, address, after=read_after(after), limit=page_size)
        headers = Boilerplates.next_link(request, write_token(LIST, *page.next_after)) if page.next_after else None
        return Boilerplates.json(await asyncio.to_thread(history_json, page), headers=headers)
