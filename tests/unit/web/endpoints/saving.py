"""The snapshot and restore endpoints over a made-up machine, asked in process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from backend.src.infra.epics.address import Protocol
from backend.src.services.catalog import Inventory
from backend.src.services.snapshots import Comparisons, SnapshotCreation
from backend.src.web.endpoints.restore import RestoreEndpoint
from backend.src.web.endpoints.snapshot_comparison import SnapshotComparisonEndpoint
from backend.src.web.endpoints.snapshot_files import SnapshotFilesEndpoint
from backend.src.web.endpoints.snapshots import SnapshotsEndpoint
from tests.unit.services.restore.machine import Site, site_of
from tests.unit.web.conftest import EVERYTHING, client_of, make_app


@dataclass
class Office:
    """A site and a client of its interface."""

    site: Site
    client: httpx.AsyncClient

    async def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """The JSON of an answer with this status."""
        answer = await self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def take(self, title: str = "a snapshot", **body: Any) -> dict[str, Any]:
        """A snapshot by forced read, waited for."""
        query = "/v1/snapshots?async=false&use_cache=false"
        made: dict[str, Any] = await self.ask("POST", query, json={"title": title, **body})
        return made

    async def finish(self, started: dict[str, Any]) -> Any:
        """The job once it ended."""
        return await self.site.jobs.wait(started["jobId"], timeout_s=30)


@contextlib.asynccontextmanager
async def office_of(folder: Path, inventory: Inventory, key: str = EVERYTHING) -> AsyncIterator[Office]:
    """Everything started."""
    async with site_of(folder, inventory) as site:
        snapshots = site.stand.snapshots
        app = make_app(
            SnapshotsEndpoint(snapshots, SnapshotCreation(snapshots, site.jobs), Protocol.CA),
            SnapshotComparisonEndpoint(snapshots, Comparisons(snapshots), Protocol.CA),
            SnapshotFilesEndpoint(snapshots, Protocol.CA),
            RestoreEndpoint(site.restores, site.jobs, Protocol.CA),
        )
        async with client_of(app, key) as client:
            yield Office(site, client)
