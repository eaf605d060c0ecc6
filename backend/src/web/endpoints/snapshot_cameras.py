"""What cameras contributed to a snapshot."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Unavailable
from backend.src.services.cameras.pictures import JPEG, PNG, TIFF
from backend.src.services.snapshots import Snapshots
from backend.src.services.snapshots.camera_folder import PREVIEW, STILL
from backend.src.web.access import Access
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.camera_models import CameraName, SnapshotCamera
from backend.src.web.conditional import Validators
from backend.src.web.content_disposition import inline
from backend.src.web.endpoints.snapshots import BASE, TAGS
from backend.src.web.inputs import OpaqueId
from backend.src.web.routes import Route

BINARY = {"type": "string", "format": "binary"}


class SnapshotCamerasEndpoint:
    """Reads pictures; changes nothing."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        read, away, base = Access.READ, (Unavailable,), f"{BASE}/{{id}}/cameras"
        return (
            Route("GET", base, self.list_cameras, access=read, tags=TAGS, errors=away,
                  summary="The cameras of a snapshot"),
            Route("GET", f"{base}/{{pv}}/still", self.still, access=read, tags=TAGS, errors=away,
                  summary="A camera's frame without loss", content={PNG: BINARY, TIFF: BINARY},
                  conditional=True),
            Route("GET", f"{base}/{{pv}}/preview", self.preview, access=read, tags=TAGS, errors=away,
                  summary="A camera's frame to look at", content={JPEG: BINARY},
                  conditional=True),
        )  # fmt: skip

    async def list_cameras(self, id: OpaqueId) -> list[SnapshotCamera]:
        """In the order in which they were asked for; empty for a snapshot without cameras."""
        return [SnapshotCamera.of(entry) for entry in await self._snapshots.cameras(id)]

    async def still(self, request: Request, id: OpaqueId, pv: CameraName) -> Response:
        """PNG for 8 bits and grey 16 bits, TIFF for all else; verified against its checksum."""
        return await self._file(request, id, pv, STILL)

    async def preview(self, request: Request, id: OpaqueId, pv: CameraName) -> Response:
        """A JPEG; what has more than 8 bits was stretched from darkest to brightest."""
        return await self._file(request, id, pv, PREVIEW)

    async def _file(self, request: Request, id: str, pv: str, kind: str) -> Response:
        snapshot = await self._snapshots.get(id)
        found = await self._snapshots.camera_file(snapshot, pv, kind)
        state = Validators.strong(found.sha256)
        if (unchanged := state.unchanged(request)) is not None:
            return unchanged
        content = await self._snapshots.camera_content(snapshot, found)
        shown = {"Content-Disposition": inline(f"{pv}-{id}-{found.name}")}
        return Boilerplates.image(content, found.media_type, headers=state.headers() | shown)
