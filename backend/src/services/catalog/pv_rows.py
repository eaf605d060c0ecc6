"""PVs in SQL: read by id, and written within the catalogue's lock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, select

from backend.src.core.errors import NotFound
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.sql.tables import channels, pv_tags, pvs, tag_groups, tags
from backend.src.infra.sql.tuples import driver_value, insert_tuples, select_tuples
from backend.src.services.catalog.channels import READ_ALL_FROM, canonical, chunks, ensure, ids_after
from backend.src.services.catalog.models import Pv, PvDraft, TagRef

# What makes a PV the same PV: its setpoint, else its readback, else its config address; as (part, slot).
Identity = tuple[str, int]
Slots = tuple[int | None, int | None, int | None]  # setpoint, readback, config

_VALUES = (
    pvs.c.name,
    pvs.c.setpoint_id,
    pvs.c.readback_id,
    pvs.c.config_id,
    pvs.c.device,
    pvs.c.description,
    pvs.c.abs_tolerance,
    pvs.c.rel_tolerance,
    pvs.c.read_only,
)
_MODIFIED = (pvs.c.modified_at, pvs.c.modified_by)
_CREATED = (pvs.c.created_at, pvs.c.created_by)

_setpoint = channels.alias("setpoint")
_readback = channels.alias("readback")
_config = channels.alias("config")
_WITH_ADDRESSES = (
    select(pvs, _setpoint.c.address, _readback.c.address, _config.c.address)
    .outerjoin(_setpoint, _setpoint.c.id == pvs.c.setpoint_id)
    .outerjoin(_readback, _readback.c.id == pvs.c.readback_id)
    .outerjoin(_config, _config.c.id == pvs.c.config_id)
)
_SLOTS = select(pvs.c.id, pvs.c.setpoint_id, pvs.c.readback_id, pvs.c.config_id)
_WITH_GROUP = select(tags.c.id, tags.c.name, tags.c.group_id, tag_groups.c.name, tags.c.description).join(tag_groups)


class PvNotFound(NotFound):
    """The id names no PV."""

    def __init__(self, pv_id: int) -> None:
        super().__init__(f"PV {pv_id} not found")


@dataclass(frozen=True, slots=True)
class Stamp:
    """When, by whom, and what a bare address means: the same for every row of one write."""

    at: datetime
    by: str | None
    default_protocol: Protocol


def fetch(connection: Connection, pv_ids: Iterable[int]) -> list[Pv]:
    """The PVs in the order of the ids; unknown ones are left out."""
    found: dict[int, Pv] = {}
    wanted = list(pv_ids)
    for portion in chunks(wanted):
        carried = _tags_of(connection, portion)
        rows = connection.execute(_WITH_ADDRESSES.where(pvs.c.id.in_(portion)))
        found |= {row[0]: _pv(row, carried.get(row[0], ())) for row in rows}
    return [found[pv_id] for pv_id in wanted if pv_id in found]


def fetch_one(connection: Connection, pv_id: int) -> Pv:
    """One PV. Raises PvNotFound."""
    for pv in fetch(connection, (pv_id,)):
        return pv
    raise PvNotFound(pv_id)


def tag_refs(connection: Connection) -> dict[int, TagRef]:
    """Every tag with its group, by id."""
    return {row[0]: TagRef(*row) for row in connection.execute(_WITH_GROUP)}


def identities(connection: Connection, wanted: Collection[Identity]) -> dict[Identity, int]:
    """The ids of the PVs that are there already, by identity (of a large number: of all PVs)."""
    if len(wanted) >= READ_ALL_FROM:
        rows = select_tuples(connection, _SLOTS)
    else:
        slots = {slot for _, slot in wanted}
        rows = [
            tuple(row)
            for column in _SLOTS.selected_columns[1:]
            for portion in chunks(slots)
            for row in connection.execute(_SLOTS.where(column.in_(portion)))
        ]
    found = {identity(setpoint, readback, config): pv_id for pv_id, setpoint, readback, config in rows}
    return {one: found[one] for one in wanted if one in found}


def identity(setpoint: int | None, readback: int | None, config: int | None) -> Identity:
    """What a PV with these slots is known by."""
    if setpoint is not None:
        return ("setpoint", setpoint)
    return ("config", config or 0) if readback is None else ("readback", readback)


def slots_of(
    connection: Connection, drafts: Sequence[PvDraft], known: Mapping[PvAddress, int] | None = None
) -> list[Slots]:
    """The slots of each draft, channels that are new being made. `known`: see channels.ensure."""
    parts = [part for draft in drafts for part in (draft.setpoint, draft.readback, draft.config) if part]
    slots = ensure(connection, parts, known)
    return [
        (
            slots[draft.setpoint] if draft.setpoint else None,
            slots[draft.readback] if draft.readback else None,
            slots[draft.config] if draft.config else None,
        )
        for draft in drafts
    ]


def add(connection: Connection, drafts: Sequence[PvDraft], slots: Sequence[Slots], stamp: Stamp) -> list[int]:
    """Inserts PVs without their tags and returns their ids, aligned with the drafts."""
    newest = connection.execute(select(func.max(pvs.c.id))).scalar() or 0
    at = driver_value(connection, pvs.c.created_at, stamp.at)
    rows = (
        (*_values(draft, ids, stamp.default_protocol), at, stamp.by, at, stamp.by)
        for draft, ids in zip(drafts, slots, strict=True)
    )
    insert_tuples(connection, (*_VALUES, *_MODIFIED, *_CREATED), rows)
    # within the lock nobody else adds PVs, and ids ascend in the order of insertion
    return ids_after(connection, pvs.c.id, newest)


def change(
    connection: Connection,
    drafts: Mapping[int, PvDraft],
    slots: Sequence[Slots],
    stamp: Stamp,
    *,
    retagged: Collection[int] | None = None,
) -> None:
    """Gives PVs, by id, the values of their drafts, and the tags too (of all of them, or of those `retagged`)."""
    at = driver_value(connection, pvs.c.modified_at, stamp.at)
    rows = (
        (pv_id, *_values(draft, ids, stamp.default_protocol), at, stamp.by, at)
        for (pv_id, draft), ids in zip(drafts.items(), slots, strict=True)
    )
    # as rows that exist already, for there is no other way to update thousands at once; none is new, so the
    # created_at that an insertion would need is not used
    columns = (*_VALUES, *_MODIFIED)
    insert_tuples(connection, (pvs.c.id, *columns, pvs.c.created_at), rows, replaces=columns)
    fresh = drafts if retagged is None else {pv_id: drafts[pv_id] for pv_id in retagged}
    for pv_ids in chunks(fresh):
        connection.execute(delete(pv_tags).where(pv_tags.c.pv_id.in_(pv_ids)))
    link(connection, fresh, (draft.tag_ids for draft in fresh.values()))


def link(connection: Connection, pv_ids: Iterable[int], tag_ids: Iterable[Iterable[int]]) -> None:
    """Gives each PV its tags."""
    links = ((pv_id, tag) for pv_id, carried in zip(pv_ids, tag_ids, strict=True) for tag in carried)
    insert_tuples(connection, (pv_tags.c.pv_id, pv_tags.c.tag_id), links)


def remove(connection: Connection, pv_id: int) -> None:
    """Deletes a PV and its tags; its channels stay, because snapshots know them. Raises PvNotFound."""
    if not connection.execute(delete(pvs).where(pvs.c.id == pv_id)).rowcount:
        raise PvNotFound(pv_id)


def devices(connection: Connection) -> list[str]:
    """The devices that PVs name, sorted, each once."""
    query = select(pvs.c.device).where(pvs.c.device.is_not(None)).distinct().order_by(pvs.c.device)
    return [device for device in connection.execute(query).scalars() if device is not None]


def _values(draft: PvDraft, slots: Slots, default: Protocol) -> tuple[Any, ...]:
    assert draft.address is not None  # checked drafts have one
    # the name is for people who read the table; everything here takes names from the addresses
    name = draft.address.short(default)
    tolerances = (draft.abs_tolerance, draft.rel_tolerance)
    return (name, *slots, draft.device, draft.description, *tolerances, draft.read_only)


def _tags_of(connection: Connection, pv_ids: Sequence[int]) -> dict[int, tuple[TagRef, ...]]:
    query = _WITH_GROUP.add_columns(pv_tags.c.pv_id).join(
        pv_tags, and_(pv_tags.c.tag_id == tags.c.id, pv_tags.c.pv_id.in_(pv_ids))
    )
    carried: dict[int, tuple[TagRef, ...]] = {}
    for *ref, pv_id in connection.execute(query.order_by(tag_groups.c.name, tags.c.name)):
        carried[pv_id] = (*carried.get(pv_id, ()), TagRef(*ref))
    return carried


def _pv(row: Row[Any], carried: tuple[TagRef, ...]) -> Pv:
    columns = row._mapping
    setpoint, readback, config = (None if text is None else canonical(text) for text in row[-3:])
    return Pv(
        id=columns["id"],
        setpoint=setpoint,
        readback=readback,
        config=config,
        device=columns["device"],
        description=columns["description"],
        abs_tolerance=columns["abs_tolerance"],
        rel_tolerance=columns["rel_tolerance"],
        read_only=columns["read_only"],
        tags=carried,
        created_at=columns["created_at"],
        modified_at=columns["modified_at"],
        created_by=columns["created_by"],
        modified_by=columns["modified_by"],
    )
