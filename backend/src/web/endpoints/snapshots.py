"""/v1/snapshots: taken, listed, read, marked and deleted.

Beside each other they are in snapshot_comparison.py, as files in snapshot_files.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import numpy as np
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Unavailable
from backend.src.infra.epics.address import Protocol
from backend.src.services.accounts import Principal
from backend.src.services.snapshots import (
    Snapshot,
    SnapshotCreation,
    SnapshotFilter,
    SnapshotGolden,
    SnapshotRequest,
    Snapshots,
)
from backend.src.services.snapshots.capture import Capture
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.audit_trail import note_outcome
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.column_json import stream_with
from backend.src.web.conditional import Validators
from backend.src.web.inputs import BodyId, Label, Moment, Name, Offset, OpaqueId, PageSize, PvText, Token
from backend.src.web.inputs import Query as QueryText
from backend.src.web.large_json import dumps
from backend.src.web.paging import read_token, write_token
from backend.src.web.pv_values_json import pv_values_json
from backend.src.web.routes import Route
from backend.src.web.snapshot_json import summary_json
from backend.src.web.snapshot_models import (
    MOST_PVS,
    ChangedSnapshot,
    JobStarted,
    NewSnapshot,
    SnapshotAnswer,
    SnapshotSummary,
)

TAGS = ("Snapshots",)
BASE = "/v1/snapshots"
LIST = "snapshots"
"""The kind of this list's continuation tokens, each a time and an id."""

After = Annotated[Token | None, Query(alias="continuationToken", description="from the Link header of the page before")]
TagIds = Annotated[list[BodyId], Query(max_length=1_000, description="PVs with any of these tags; tags[], too")]
# as other clients spell it; the document has one spelling, for generators make one name of both
MoreTagIds = Annotated[list[BodyId], Query(alias="tags[]", max_length=1_000, include_in_schema=False)]
UseCache = Annotated[
    bool, Query(description="from the live table while the monitor is alive; false reads every PV anew")
]
Async = Annotated[bool, Query(alias="async", description="answer at once with a job; false waits for the end")]
Most = Annotated[int, Query(ge=0, le=MOST_PVS, description="PVs; 0 for none", examples=[100])]
CreatedBy = Annotated[
    Name | None, Query(alias="createdBy", description="who made it, as answers say", examples=["Ann Smith (user 5)"])
]
ContainsPv = Annotated[PvText | None, Query(alias="containsPv", description="an address, or a glob of one (* and ?)")]


BLOCK = 5_000  # PVs encoded at once


class SnapshotsEndpoint:
    """The snapshots themselves."""

    def __init__(self, snapshots: Snapshots, creation: SnapshotCreation, default_protocol: Protocol) -> None:
        self._snapshots = snapshots
        self._creation = creation
        self._default = default_protocol

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        read, write, one = Access.READ, Access.WRITE, SnapshotSummary
        return (
            Route("GET", BASE, self.list_snapshots, access=read, summary="List snapshots, newest first", tags=TAGS,
                  response_model=list[SnapshotSummary], conditional=True),
            Route("POST", BASE, self.create, access=write, summary="Take a snapshot", tags=TAGS,
                  response_model=JobStarted | SnapshotSummary, errors=(Unavailable,)),
            Route("GET", f"{BASE}/{{id}}", self.get, access=read, summary="A snapshot with its values", tags=TAGS,
                  response_model=SnapshotAnswer, errors=(Unavailable,), conditional=True),
            Route("PUT", f"{BASE}/{{id}}", self.update, access=write, summary="Change what is said of a snapshot",
                  tags=TAGS, response_model=one),
            Route("DELETE", f"{BASE}/{{id}}", self.delete, access=write, summary="Delete a snapshot", tags=TAGS,
                  errors=(SnapshotGolden,)),
        )  # fmt: skip

    async def list_snapshots(
        self,
        request: Request,
        title: Annotated[QueryText | None, Query(description="part of the title, in any case")] = None,
        tags: TagIds = [],  # noqa: B006
        more_tags: MoreTagIds = [],  # noqa: B006
        label: Annotated[Label | None, Query(description="only those that carry it")] = None,
        golden: Annotated[bool | None, Query(description="only golden ones, or only the others")] = None,
        created_by: CreatedBy = None,
        since: Annotated[Moment | None, Query(alias="from", description="made at this time or later")] = None,
        until: Annotated[Moment | None, Query(alias="to", description="made before this time")] = None,
        contains_pv: ContainsPv = None,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 100,
        after: After = None,
    ) -> Response:
        """No values are read, however large the snapshots are. The Link header leads to the next page."""
        narrowed = SnapshotFilter(title, (*tags, *more_tags), label, golden, created_by, since, until, contains_pv)
        page = await self._snapshots.page(narrowed, after=read_after(after), limit=page_size)
        following = Boilerplates.next_link(request, write_token(LIST, *page.next_after)) if page.next_after else {}
        content = dumps([summary_json(snapshot) for snapshot in page.snapshots])
        state = Validators.weak(request, content)
        return state.unchanged(request) or Boilerplates.encoded_json(content, headers=state.headers() | following)

    async def create(
        self,
        body: NewSnapshot,
        in_background: Async = True,
        use_cache: UseCache = True,
        principal: Principal = CurrentPrincipal,
    ) -> Response:
        """An empty selection is refused; without any of pvIds, tagFilters and pvPattern all PVs are saved."""
        cameras = body.pictured(self._snapshots.camera_names)
        request = SnapshotRequest(body.draft(), body.selection(), use_cache, cameras)
        if in_background:
            job = await self._creation.begin(request, principal.name)
            note_outcome(job=job.id)
            return Boilerplates.json({"jobId": job.id, "message": f"saving {body.title!r}"})
        snapshot = await self._snapshots.create(request, principal.name)
        note_outcome(snapshot.id)
        return _summary(snapshot)

    async def get(self, request: Request, id: OpaqueId, limit: Most | None = None, offset: Offset = 0) -> Response:
        """The values in name order, all of them unless limited. Its ETag changes with what is said of it."""
        snapshot = await self._snapshots.get(id)
        summary = summary_json(snapshot)
        state = Validators.weak(request, dumps(summary), self._default)
        if (unchanged := state.unchanged(request)) is not None:
            return unchanged
        capture = await self._snapshots.values(snapshot)
        part = await asyncio.to_thread(_part, capture, offset, limit)
        return stream_with(summary, "pvValues", self._encoded(part), state.headers())

    async def _encoded(self, capture: Capture) -> AsyncIterator[bytes]:
        """Block by block: all at once, 40,000 PVs would take some hundred megabytes on the way."""
        for start in range(0, len(capture.pvs), BLOCK):
            block = await asyncio.to_thread(_part, capture, start, BLOCK)
            yield await asyncio.to_thread(pv_values_json, block, self._default)

    async def update(self, id: OpaqueId, body: ChangedSnapshot) -> Response:
        """Title, description, labels and the golden mark; the values never change."""
        return _summary(await self._snapshots.update(id, body.changes()))

    async def delete(self, id: OpaqueId) -> bool:
        """A golden snapshot is refused."""
        await self._snapshots.delete(id)
        return True


def read_after(token: str | None) -> tuple[datetime, str] | None:
    """Where a page of snapshots begins. Raises Invalid."""
    if token is None:
        return None
    created_at, snapshot_id = read_token(token, LIST, datetime, str)
    return created_at, snapshot_id


def _summary(snapshot: Snapshot) -> Response:
    return Boilerplates.json(summary_json(snapshot))


def _part(capture: Capture, offset: int, limit: int | None) -> Capture:
    count = len(capture.pvs)
    if offset == 0 and (limit is None or limit >= count):
        return capture
    end = count if limit is None else min(count, offset + limit)
    return capture.take_pvs(np.arange(min(offset, count), end))
