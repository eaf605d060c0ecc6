"""Snapshots as files: the archive itself, and other formats."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from backend.src.core.errors import Unavailable
from backend.src.infra.epics.address import Protocol
from backend.src.services.snapshots import Snapshots, UnknownFormat
from backend.src.services.snapshots.archive import CONTENT_TYPE
from backend.src.web.access import Access
from backend.src.web.endpoints.snapshots import BASE, TAGS
from backend.src.web.inputs import OpaqueId
from backend.src.web.routes import Route
from backend.src.web.snapshot_csv import snapshot_csv

CSV = "text/csv"
FORMATS = ("csv",)
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
                  content={CONTENT_TYPE: {"type": "string", "format": "binary"}}),
            Route("GET", f"{BASE}/{{id}}/export", self.export, access=read, tags=TAGS, errors=away,
                  summary="The values in another format", content={CSV: {"type": "string"}}),
        )  # fmt: skip

    async def archive(self, id: OpaqueId) -> Response:
        """Verified against its checksum; pandas, DuckDB and Spark read it."""
        snapshot, content = await self._snapshots.archive(id)
        headers = _attachment(f"{snapshot.id}.parquet") | {"ETag": f'"{snapshot.sha256}"'}
        return Response(content, headers=headers, media_type=CONTENT_TYPE)

    async def export(self, id: OpaqueId, format: Format = "csv") -> Response:
        """csv: a line for each channel, arrays as JSON lists."""
        if format not in FORMATS:
            raise UnknownFormat(format, FORMATS)
        contents = await self._snapshots.contents(id)
        text = await asyncio.to_thread(snapshot_csv, contents.capture, self._default)
        return Response(text.encode(), headers=_attachment(f"{id}.csv"), media_type=CSV)


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
