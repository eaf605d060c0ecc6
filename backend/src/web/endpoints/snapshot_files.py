"""Snapshots as files: the archive itself, and other formats."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Unavailable
from backend.src.infra.epics.address import Protocol
from backend.src.services.snapshots import Snapshots, UnknownFormat
from backend.src.web.access import Access
from backend.src.web.boilerplates import CSV, PARQUET, Boilerplates
from backend.src.web.byte_ranges import part_of
from backend.src.web.conditional import Validators
from backend.src.web.endpoints.snapshots import BASE, TAGS
from backend.src.web.inputs import OpaqueId
from backend.src.web.routes import Route
from backend.src.web.snapshot_csv import snapshot_csv

FORMATS = ("csv",)
EXPORTED = "PV,field,address,type,value,...\nQUAD:LI21:201:BDES,setpoint,QUAD:LI21:201:BDES,double,1.25,...\n"
Format = Annotated[str, Query(max_length=32, description=f"one of: {', '.join(FORMATS)}")]


class SnapshotFilesEndpoint:
    """Reads snapshots; changes nothing."""

    def __init__(self, snapshots: Snapshots, default_protocol: Protocol) -> None:
        self._snapshots = snapshots
        self._default = default_protocol

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        read, away = Access.READ, (Unavailable,)
        return (
            Route("GET", f"{BASE}/{{id}}/archive", self.archive, access=read, tags=TAGS, errors=away,
                  summary="The archive: a Parquet file",
                  content={PARQUET: {"type": "string", "format": "binary"}}, conditional=True, by_parts=True),
            Route("GET", f"{BASE}/{{id}}/export", self.export, access=read, tags=TAGS, errors=away,
                  summary="The values in another format", content={CSV: {"type": "string", "examples": [EXPORTED]}}),
        )  # fmt: skip

    async def archive(self, request: Request, id: OpaqueId) -> Response:
        """Verified against its checksum; pandas, DuckDB and Spark read it.

        It never changes: its ETag is its SHA-256. A part may be asked for with `Range`.
        """
        snapshot = await self._snapshots.get(id)
        state = Validators.strong(snapshot.sha256, snapshot.created_at)
        if (unchanged := state.unchanged(request)) is not None:
            return unchanged
        content = await self._snapshots.archive(snapshot)
        part = part_of(content, request.headers, state)
        return Boilerplates.download(
            part.content, f"{id}.parquet", PARQUET, status=part.status, headers=state.headers() | part.headers
        )

    async def export(self, id: OpaqueId, format: Format = "csv") -> Response:
        """csv: a line for each channel, arrays as JSON lists."""
        if format not in FORMATS:
            raise UnknownFormat(format, FORMATS)
        contents = await self._snapshots.contents(id)
        text = await asyncio.to_thread(snapshot_csv, contents.capture, self._default)
        return Boilerplates.csv(text.encode(), f"{id}.csv")
