"""The catalogue's endpoints over a real catalogue in an SQLite file, asked through the whole frame."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from backend.src.config.settings import Settings, SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.infra.sql import SQL
from backend.src.services.audit import Audit, AuditFilters
from backend.src.services.catalog import Catalog, TagCatalog
from backend.src.services.live import LiveNames, LiveTable
from backend.src.web.app import build_app
from backend.src.web.endpoints.pv_import import PvImportEndpoint
from backend.src.web.endpoints.pvs import PvsEndpoint
from backend.src.web.endpoints.tags import TagsEndpoint
from backend.src.web.path_manager import PathManager
from tests.unit.web.conftest import KnownKeys, client_of


class Nobody:
    """Listens to no change."""

    async def catalog_changed(self, version: int) -> None:
        """Nothing to do."""


class CatalogClient:
    """Asks, and expects a status."""

    def __init__(self, http: httpx.AsyncClient, audit: Audit) -> None:
        self.http, self.audit = http, audit

    async def answer(self, status: int, method: str, path: str, **options: Any) -> httpx.Response:
        """The response, whose status must be this one."""
        response = await self.http.request(method, path, **options)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:1000]}"
        return response

    async def ask(self, status: int, method: str, path: str, **options: Any) -> Any:
        """The JSON of the answer."""
        return (await self.answer(status, method, path, **options)).json()

    async def noted(self) -> tuple[str | None, dict[str, Any] | None]:
        """Target and detail of the newest entry of the audit trail."""
        (entry,) = await self.audit.entries(AuditFilters(), limit=1)
        return entry.target, entry.detail

    async def add(self, *setpoints: str, **fields: Any) -> list[str]:
        """Makes PVs with these setpoints; their ids."""
        body = [{"setpointAddress": one, **fields} for one in setpoints]
        return [made["id"] for made in await self.ask(200, "POST", "/v1/pvs/multi", json=body)]

    async def tag(self, **groups: list[str]) -> dict[str, str]:
        """Makes groups with these tags; ids by name, of the groups too."""
        await self.ask(200, "POST", "/v1/tags/bulk", json={"groups": groups})
        ids: dict[str, str] = {}
        for summary in await self.ask(200, "GET", "/v1/tags"):
            (group,) = await self.ask(200, "GET", f"/v1/tags/{summary['id']}")
            ids |= {tag["name"]: tag["id"] for tag in group["tags"]} | {group["name"]: group["id"]}
        return ids


@asynccontextmanager
async def catalog_client(folder: Path, key: str = "everything") -> AsyncIterator[CatalogClient]:
    """A client of an empty catalogue."""
    sql: SQL = SQL.build(SqlSettings(threads=4), folder)
    await sql.start()
    catalog = Catalog(sql, Nobody())
    live, names = LiveTable(SystemClock(), stale_after_s=3.0), LiveNames()
    paths = PathManager()
    endpoints = (PvsEndpoint(catalog, live, names), PvImportEndpoint(catalog), TagsEndpoint(TagCatalog(catalog.store)))
    paths.collect(endpoint.routes() for endpoint in endpoints)
    paths.freeze()
    audit = Audit(sql, SystemClock())
    async with client_of(build_app(Settings(), paths, KnownKeys(), audit=audit), key) as http:
        yield CatalogClient(http, audit)
    await sql.stop()
