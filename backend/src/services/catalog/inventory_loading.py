"""The catalogue read at once: raw rows into columns, tens of thousands of PVs in a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.sql.tables import pv_tags, pvs, tag_groups
from backend.src.infra.sql.tuples import select_tuples
from backend.src.services.catalog import channels, versions
from backend.src.services.catalog.inventory import NO_SLOT, Audit, Ints, Inventory, Slots
from backend.src.services.catalog.models import TagRef
from backend.src.services.catalog.pv_rows import tag_refs

_PVS = select(
    pvs.c.id,
    pvs.c.setpoint_id,
    pvs.c.readback_id,
    pvs.c.config_id,
    pvs.c.device,
    pvs.c.description,
    pvs.c.abs_tolerance,
    pvs.c.rel_tolerance,
    pvs.c.read_only,
    pvs.c.created_at,
    pvs.c.modified_at,
    pvs.c.created_by,
    pvs.c.modified_by,
)
_LINKS = select(pv_tags.c.pv_id, pv_tags.c.tag_id)


def load(connection: Connection, default_protocol: Protocol, known: Inventory | None = None) -> Inventory:
    """The catalogue as this transaction sees it; `known`, an earlier one, saves reading its channels again."""
    version = versions.current(connection)
    address_of = _addresses(connection, known)
    rows = select_tuples(connection, _PVS)
    names, rows = _in_name_order(rows, address_of, default_protocol)
    columns = list(zip(*rows, strict=True)) or [()] * len(_PVS.selected_columns)
    pv_ids = np.array(columns[0], np.int64)
    known_tags = tag_refs(connection)
    links = _links(select_tuples(connection, _LINKS), pv_ids)
    return Inventory(
        version=version,
        pv_ids=pv_ids,
        names=names,
        setpoint=_slots(columns[1]),
        readback=_slots(columns[2]),
        config=_slots(columns[3]),
        devices=list(columns[4]),
        descriptions=list(columns[5]),
        abs_tolerance=np.array(columns[6], np.float64),
        rel_tolerance=np.array(columns[7], np.float64),
        read_only=np.array(columns[8], np.bool_),
        tags=_tags_by_row(links, len(pv_ids), known_tags),
        address_of=address_of,
        slot_of=_slot_of(address_of, known),
        default_protocol=default_protocol,
        tag_links=links,
        audits=_audits(columns),
        known_tags=known_tags,
        known_groups={row[0]: row[1] for row in connection.execute(select(tag_groups.c.id, tag_groups.c.name))},
    )


def _addresses(connection: Connection, known: Inventory | None) -> dict[int, PvAddress]:
    # channels are never changed or deleted, and made one transaction after the other: only new ones are read
    address_of = dict(known.address_of) if known else {}
    newest = max(address_of, default=0)
    return address_of | {slot: address for address, slot in channels.made_after(connection, newest).items()}


def _slot_of(address_of: dict[int, PvAddress], known: Inventory | None) -> dict[PvAddress, int]:
    if known and len(known.address_of) == len(address_of):
        return known.slot_of
    return {address: slot for slot, address in address_of.items()}


def _in_name_order(
    rows: Sequence[tuple[Any, ...]], address_of: dict[int, PvAddress], default: Protocol
) -> tuple[list[str], list[tuple[Any, ...]]]:
    names = {slot: address.short(default) for slot, address in address_of.items()}
    keyed = sorted((names[row[1] or row[2] or row[3]], row[0], row) for row in rows)
    return [name for name, _, _ in keyed], [row for _, _, row in keyed]


def _slots(column: Sequence[int | None]) -> Slots:
    return np.array([NO_SLOT if slot is None else slot for slot in column], np.int32)


def _audits(columns: Sequence[tuple[Any, ...]]) -> list[Audit]:
    # an import stamps thousands of rows alike: each moment is read once
    moments = {raw: _moment(raw) for raw in {*columns[9], *columns[10]}}
    created, modified = ([moments[raw] for raw in column] for column in columns[9:11])
    return list(zip(created, modified, columns[11], columns[12], strict=True))


def _moment(raw: datetime | str) -> datetime:
    # what UtcDateTime does for SQLAlchemy: the SQLite driver gives text, the MySQL one naive datetimes
    moment = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
    return moment.replace(tzinfo=UTC)


def _links(pairs: Sequence[tuple[Any, ...]], pv_ids: Ints) -> Ints:
    """(row, tag id) for (PV id, tag id), in row order."""
    if not pairs:
        return np.empty((0, 2), np.int64)
    links: Ints = np.fromiter(chain.from_iterable(pairs), np.int64, 2 * len(pairs)).reshape(-1, 2)
    order = np.argsort(pv_ids)
    links[:, 0] = order[np.searchsorted(pv_ids, links[:, 0], sorter=order)]
    return links[np.lexsort((links[:, 1], links[:, 0]))]


def _tags_by_row(links: Ints, n: int, known: dict[int, TagRef]) -> list[tuple[TagRef, ...]]:
    # many PVs carry the same tags: each combination is built once and shared
    bounds: npt.NDArray[np.int64] = np.searchsorted(links[:, 0], np.arange(n + 1))
    tag_ids, edges = links[:, 1].tolist(), bounds.tolist()
    combinations: dict[tuple[int, ...], tuple[TagRef, ...]] = {}
    tags = []
    for row in range(n):
        carried = tuple(tag_ids[edges[row] : edges[row + 1]])
        if carried not in combinations:
            refs = (known[tag] for tag in carried)
            combinations[carried] = tuple(sorted(refs, key=lambda ref: (ref.group_name, ref.name)))
        tags.append(combinations[carried])
    return tags
