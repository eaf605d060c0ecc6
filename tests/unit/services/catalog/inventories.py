"""Inventories without a database, from drafts whose tags are given as (group, tag) names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np

from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.services.catalog import NO_SLOT, Inventory, PvDraft, TagRef

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Named = tuple[str, str]


def inventory_of(
    pvs: Sequence[tuple[PvDraft, Iterable[Named]]], default: Protocol = Protocol.CA, first_id: int = 1
) -> Inventory:
    """What loading these PVs, in this order of ids, would give."""
    refs = _refs(sorted({name for _, names in pvs for name in names}))
    slot_of = _slots(pvs)
    keyed = sorted(
        (
            (draft.address.short(default), first_id + at, draft, names)
            for at, (draft, names) in enumerate(pvs)
            if draft.address
        ),
        key=lambda one: one[:2],
    )
    drafts = [draft for _, _, draft, _ in keyed]
    carried = [tuple(refs[name] for name in sorted(set(names))) for _, _, _, names in keyed]
    links = [(row, ref.id) for row, row_refs in enumerate(carried) for ref in row_refs]

    def slots(addresses: Iterable[PvAddress | None]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return np.array([NO_SLOT if address is None else slot_of[address] for address in addresses], np.int32)

    return Inventory(
        version=1,
        pv_ids=np.array([pv_id for _, pv_id, _, _ in keyed], np.int64),
        names=[name for name, _, _, _ in keyed],
        setpoint=slots(draft.setpoint for draft in drafts),
        readback=slots(draft.readback for draft in drafts),
        config=slots(draft.config for draft in drafts),
        devices=[draft.device for draft in drafts],
        descriptions=[draft.description for draft in drafts],
        abs_tolerance=np.array([draft.abs_tolerance for draft in drafts], np.float64),
        rel_tolerance=np.array([draft.rel_tolerance for draft in drafts], np.float64),
        read_only=np.array([draft.read_only for draft in drafts], np.bool_),
        tags=carried,
        address_of={slot: address for address, slot in slot_of.items()},
        slot_of=slot_of,
        default_protocol=default,
        tag_links=np.array(links, np.int64).reshape(-1, 2),
        audits=[(NOW, NOW, None, None)] * len(drafts),
        known_tags={ref.id: ref for ref in refs.values()},
        known_groups={ref.group_id: ref.group_name for ref in refs.values()},
    )


def _refs(names: Sequence[Named]) -> dict[Named, TagRef]:
    groups = {group: number for number, group in enumerate(dict.fromkeys(group for group, _ in names), 1)}
    return {(group, tag): TagRef(100 + at, tag, groups[group], group) for at, (group, tag) in enumerate(names)}


def _slots(pvs: Sequence[tuple[PvDraft, Iterable[Named]]]) -> dict[PvAddress, int]:
    used = (address for draft, _ in pvs for address in (draft.setpoint, draft.readback, draft.config) if address)
    return {address: slot for slot, address in enumerate(dict.fromkeys(used), 1)}
