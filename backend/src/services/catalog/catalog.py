"""The catalogue: which PVs there are and how they are tagged. Every change raises its version and is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from backend.src.core.clock import Clock, SystemClock
from backend.src.core.errors import Unavailable
from backend.src.infra.epics.address import Protocol as PvProtocol
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.sql import SQL, CachedQuery, CacheKind
from backend.src.services.catalog import cached_forms, importing, inventory_loading, pv_edits, pv_rows, versions
from backend.src.services.catalog.csv_export import write_list
from backend.src.services.catalog.csv_list import PvList, read_list
from backend.src.services.catalog.importing import ImportReport
from backend.src.services.catalog.inventory import Inventory
from backend.src.services.catalog.models import Pv, PvChanges, PvDraft

log = logging.getLogger(__name__)

T = TypeVar("T")
Progress = Callable[[int, str], None]

PV_TABLES = ("channels", "pvs", "pv_tags", "tags", "tag_groups")
_VERSION = CachedQuery(CacheKind.QUERY, "catalog_version", PV_TABLES, versions.current)


class CatalogNotifier(Protocol):
    """Tells other processes that the catalogue is another one."""

    async def catalog_changed(self, version: int) -> None:
        """Called after the commit. May raise Unavailable: those who listen look at the version by themselves too."""


class CatalogStore:
    """What PVs and tags share: the lock, the version, the word to others."""

    def __init__(self, sql: SQL, notifier: CatalogNotifier, clock: Clock) -> None:
        self.sql = sql
        self.clock = clock
        self._notifier = notifier

    async def write(
        self,
        work: Callable[[Connection], T],
        *,
        changed: Callable[[T], bool] = lambda _: True,
        through: Callable[[T], Sequence[CachedQuery[Any]]] = lambda _: (),
    ) -> T:
        """Runs `work` within the catalogue's lock and commits it with a new version; `through`: see SQL.write."""

        def locked(connection: Connection) -> tuple[T, int | None]:
            versions.lock(connection)
            result = work(connection)
            return result, versions.bump(connection) if changed(result) else None

        result, version = await self.sql.write(
            locked, touches=PV_TABLES, through=lambda done: (*through(done[0]), _VERSION)
        )
        if version is not None:
            await self._tell(version)
        return result

    async def _tell(self, version: int) -> None:
        try:
            await self._notifier.catalog_changed(version)
        except Unavailable as error:
            log.warning("nobody was told of catalogue version %d: %s", version, error)


class Catalog:
    """PVs: made, changed, deleted, found, imported and exported. Tags are in TagCatalog."""

    def __init__(
        self,
        sql: SQL,
        notifier: CatalogNotifier,
        clock: Clock | None = None,
        default_protocol: PvProtocol = PvProtocol.CA,
    ) -> None:
        self.default_protocol = default_protocol
        self.store = CatalogStore(sql, notifier, clock or SystemClock())
        self._sql = sql
        self._inventory: Inventory | None = None
        self._loading = asyncio.Lock()

    def address(self, text: str) -> PvAddress:
        """Reads an address as people write it. Raises Invalid."""
        return PvAddress.parse(text, self.default_protocol)

    async def version(self) -> int:
        """The catalogue's present version; it grows with every change."""
        return await self._sql.cached(_VERSION.kind, _VERSION.key, _VERSION.tables, _VERSION.load)

    async def inventory(self) -> Inventory:
        """The whole catalogue as it is now. Raises Unavailable."""
        known = self._inventory
        if known is not None and known.version == await self.version():
            return known
        async with self._loading:  # whoever waited here may find it done
            if self._inventory is None or self._inventory.version != await self.version():
                load = partial(inventory_loading.load, default_protocol=self.default_protocol, known=self._inventory)
                self._inventory = await self._sql.read(load)
            return self._inventory

    async def get(self, pv_id: int) -> Pv:
        """One PV. Raises PvNotFound."""
        query = _pv_query(pv_id)
        plain = await self._sql.cached(query.kind, query.key, query.tables, query.load)
        if plain is None:
            raise pv_rows.PvNotFound(pv_id)
        return cached_forms.pv_from(plain)

    async def devices(self) -> list[str]:
        """The devices that PVs name, sorted, each once."""
        return await self._sql.cached(CacheKind.SCHEMA, "devices", ("pvs",), pv_rows.devices)

    async def create(self, drafts: Sequence[PvDraft], actor: str | None) -> list[Pv]:
        """Adds all the PVs or none; aligned with the drafts. Raises Invalid (unknown tags), DuplicatePvs."""
        stamp = self._stamp(actor)
        return await self.store.write(
            lambda connection: pv_edits.create(connection, drafts, stamp),
            through=lambda made: [_pv_query(pv.id) for pv in made] if len(made) == 1 else (),
        )

    async def update(self, pv_id: int, changes: PvChanges, actor: str | None) -> Pv:
        """Changes the given fields; None clears. Raises PvNotFound, Invalid, DuplicatePvs."""
        stamp = self._stamp(actor)
        return await self.store.write(
            lambda connection: pv_edits.update(connection, pv_id, changes, stamp), through=lambda pv: [_pv_query(pv.id)]
        )

    async def delete(self, pv_id: int) -> None:
        """Deletes a PV; snapshots keep its values. Raises PvNotFound."""
        await self.store.write(lambda connection: pv_rows.remove(connection, pv_id))

    async def import_csv(
        self,
        content: bytes | str,
        *,
        actor: str | None,
        dry_run: bool = False,
        progress: Progress = lambda percent, message: None,
    ) -> ImportReport:
        """Takes in a Squirrel PV list. Raises Invalid, naming the line, for a file that cannot be read at all.

        With dry_run nothing changes and the report says what would. `progress` (percent, what is being done) is
        called from other threads too.
        """
        progress(0, "reading the file")
        listed = await asyncio.to_thread(read_list, content, self.default_protocol)
        progress(30, f"comparing {len(listed.rows)} rows with the catalogue")
        if dry_run:
            return await self._sql.read(lambda connection: self._plan(connection, listed)[0].report(dry_run=True))
        work = partial(self._import, listed=listed, actor=actor, progress=progress)
        report = await self.store.write(work, changed=lambda done: done.changed)
        progress(100, "done")
        return report

    async def export_csv(self) -> Iterator[str]:
        """The catalogue as a Squirrel PV list, in portions; a re-import changes nothing."""
        return write_list(await self.inventory())

    def _import(self, connection: Connection, listed: PvList, actor: str | None, progress: Progress) -> ImportReport:
        planned, inventory = self._plan(connection, listed)
        report = planned.report(dry_run=False)
        if report.changed:
            progress(50, "writing")
            importing.apply(connection, planned, inventory, self._stamp(actor))
        return report

    def _plan(self, connection: Connection, listed: PvList) -> tuple[importing.Plan, Inventory]:
        inventory = self._inventory
        if inventory is None or inventory.version != versions.current(connection):
            inventory = inventory_loading.load(connection, self.default_protocol, inventory)
        return importing.plan(listed, inventory), inventory

    def _stamp(self, actor: str | None) -> pv_rows.Stamp:
        return pv_rows.Stamp(self.store.clock.now(), actor, self.default_protocol)


def _pv_query(pv_id: int) -> CachedQuery[cached_forms.Plain | None]:
    def load(connection: Connection) -> cached_forms.Plain | None:
        found = pv_rows.fetch(connection, (pv_id,))
        return cached_forms.plain_pv(found[0]) if found else None

    return CachedQuery(CacheKind.QUERY, f"pv:{pv_id}", PV_TABLES, load)
