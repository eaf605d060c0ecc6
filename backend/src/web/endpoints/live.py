"""/v1/pvs/live and its neighbours: values as the monitor sees them, and single PVs read and written directly."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from starlette.responses import Response

from backend.src.config.settings import EpicsSettings
from backend.src.core.errors import Conflict, NotFound, TimedOut, Unavailable
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.epics.frame import PvValue, ValueType
from backend.src.infra.epics.outcomes import ReadFailed
from backend.src.services.catalog import NO_SLOT
from backend.src.services.live import Inventories, LiveNames, LiveTable, Named
from backend.src.services.monitoring import CircuitOpen, DirectAccess
from backend.src.web.access import Access
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.entry_blocks import entries_json, with_entries
from backend.src.web.inputs import PathId, PvText
from backend.src.web.live_models import (
    MOST_NAMES,
    AllEntries,
    CacheStatus,
    DirectReading,
    Entry,
    NewValue,
    PvName,
    PvNames,
    ShortName,
    WrittenValue,
    direct_reading,
    written_value,
)
from backend.src.web.routes import Route

TAGS = ("Live values",)
LONGEST_HEADER = 4_000  # proxies refuse much more
NUMBERS_WITHOUT_JSON = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
ENVIRONMENT = {
    "EPICS_CA_ADDR_LIST": "ca_addr_list",
    "EPICS_CA_AUTO_ADDR_LIST": "ca_auto_addr_list",
    "EPICS_PVA_ADDR_LIST": "pva_addr_list",
    "EPICS_PVA_AUTO_ADDR_LIST": "pva_auto_addr_list",
}


class LiveEndpoint:
    """The live part of /v1/pvs."""

    def __init__(
        self, live: LiveTable, names: LiveNames, catalog: Inventories, direct: DirectAccess, settings: EpicsSettings
    ) -> None:
        self._live = live
        self._names = names
        self._catalog = catalog
        self._direct = direct
        self._settings = settings
        self._protocol = Protocol(settings.default_protocol)

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        some = dict[ShortName, Entry]
        return (
            Route("GET", "/v1/pvs/live", self.some, access=Access.READ, summary="Live values of some PVs", tags=TAGS,
                  response_model=some),
            Route("POST", "/v1/pvs/live", self.many, access=Access.READ, summary="Live values of many PVs", tags=TAGS,
                  response_model=some),
            Route("GET", "/v1/pvs/live/all", self.all, access=Access.READ, summary="Live values of every PV", tags=TAGS,
                  response_model=AllEntries),
            Route("GET", "/v1/pvs/cache/status", self.cache_status, access=Access.READ, tags=TAGS,
                  summary="How full and how true the live table is"),
            Route("GET", "/v1/pvs/test-epics", self.test_epics, access=Access.WRITE, tags=TAGS,
                  summary="Read one PV directly"),
            Route("PUT", "/v1/pvs/{id}/value", self.write, access=Access.RESTORE, tags=TAGS,
                  summary="Write one PV and read it back", errors=(Conflict, Unavailable, TimedOut)),
        )  # fmt: skip

    async def some(
        self, pv_names: Annotated[list[PvName], Query(max_length=MOST_NAMES, description="addresses in any spelling")]
    ) -> Response:
        """{name: Entry}; names of no PV are in the header X-Unknown-PVs."""
        return await self._entries(pv_names)

    async def many(self, body: PvNames) -> Response:
        """{name: Entry}; names of no PV are in the header X-Unknown-PVs."""
        return await self._entries(body.pv_names)

    async def all(self) -> Response:
        """Every channel that some PV of the catalogue uses, under its short name."""
        named = self._names.everything(await self._catalog.inventory())
        return Boilerplates.encoded_json(
            with_entries({"count": len(named.names)}, "values", await self._encoded(named))
        )

    async def cache_status(self) -> CacheStatus:
        """How many channels have a value, and whether the monitor keeps them true."""
        counts, alive = self._live.counts(), self._live.fresh()
        return CacheStatus(
            cached_pv_count=counts.tracked - counts.never_seen,
            connected_pv_count=counts.connected,
            status="connected" if alive else "stale",
            error=None if alive else "the monitor gives no sign of life: every value is stale",
        )

    async def test_epics(self, pv: Annotated[PvText, Query(description="its address")]) -> DirectReading:
        """Reads a PV past the live table, whether the catalogue knows it or not."""
        address = PvAddress.parse(pv, self._protocol)
        environment = {name: _shown(getattr(self._settings, key)) for name, key in ENVIRONMENT.items()}
        try:
            reading = await self._direct.read(address)
        except CircuitOpen as refusal:
            return direct_reading(pv, ReadFailed(address, refusal.message), environment)
        return direct_reading(pv, reading, environment)

    async def write(self, id: PathId, body: NewValue) -> WrittenValue:
        """Writes the setpoint of a PV. Read-only PVs are refused; a put that fails is a problem document."""
        slot, address = await self._writable(id)
        value = self._number_where_meant(slot, body.value)
        written = await self._direct.write(address, slot, value, wait=body.wait, timeout_s=body.timeout)
        return written_value(id, address, written)

    async def _writable(self, pv_id: int) -> tuple[int, PvAddress]:
        inventory = await self._catalog.inventory()
        row = inventory.row_of.get(pv_id)
        if row is None:
            raise NotFound(f"no PV has the id {pv_id}")
        if inventory.read_only[row]:
            raise Conflict(f"{inventory.names[row]} is read-only", remedy="clear readOnly on the PV first")
        slot = int(inventory.setpoint[row])
        if slot == NO_SLOT:
            raise Conflict(f"{inventory.names[row]} has no setpoint address to write to")
        return slot, inventory.address_of[slot]

    def _number_where_meant(self, slot: int, value: PvValue) -> PvValue:
        """ "NaN" is a number for a channel of numbers, and a text for one of texts."""
        if self._live.frame([slot]).rows["type"][0] not in (ValueType.DOUBLE, ValueType.FLOAT):
            return value
        if isinstance(value, list):
            return [NUMBERS_WITHOUT_JSON.get(item, item) if isinstance(item, str) else item for item in value]
        return NUMBERS_WITHOUT_JSON.get(value, value) if isinstance(value, str) else value

    async def _entries(self, names: list[str]) -> Response:
        named = self._names.find(await self._catalog.inventory(), names)
        response = Boilerplates.encoded_json(await self._encoded(named))
        if named.unknown:
            response.headers["X-Unknown-PVs"] = _header(named.unknown)
            response.headers["X-Unknown-PVs-Count"] = str(len(named.unknown))
        return response

    async def _encoded(self, named: Named) -> bytes:
        return await entries_json(named.names, self._live.frame(named.slots), self._live.stale(named.slots))


def _header(names: list[str]) -> str:
    """Names as a header may carry them: percent-encoded; cut with an ellipsis, the count being beside it."""
    text = ",".join(quote(name, safe=":/{}$.<>-_[]") for name in names)
    return text if len(text) <= LONGEST_HEADER else f"{text[:LONGEST_HEADER].rpartition(',')[0]},..."


def _shown(value: str | bool) -> str:
    """As EPICS writes it: it knows YES and NO, not True and False."""
    if isinstance(value, bool):
        return "YES" if value else "NO"
    return value
