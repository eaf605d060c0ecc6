"""Changes of PVs, each within one transaction that holds the catalogue's lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from backend.src.core.errors import Conflict, FieldError, Invalid
from backend.src.services.catalog import pv_rows
from backend.src.services.catalog.drafts import checked
from backend.src.services.catalog.models import Pv, PvChanges, PvDraft, TagRef
from backend.src.services.catalog.pv_rows import Stamp

NAMED_IN_A_MESSAGE = 20


class DuplicatePvs(Conflict):
    """PVs that are in the catalogue already, or twice in one request; `errors` names every one."""

    def __init__(self, names: Sequence[str], *, where: str) -> None:
        named = ", ".join(names[:NAMED_IN_A_MESSAGE])
        more = f" and {len(names) - NAMED_IN_A_MESSAGE} more" if len(names) > NAMED_IN_A_MESSAGE else ""
        super().__init__(f"{where}: {named}{more}")
        self.errors = tuple(FieldError((name,), where) for name in names)


def create(connection: Connection, drafts: Sequence[PvDraft], stamp: Stamp) -> list[Pv]:
    """Adds all the PVs or none. Raises Invalid for unknown tags, DuplicatePvs."""
    drafts = [_checked_at(position, draft, len(drafts)) for position, draft in enumerate(drafts)]
    refs = pv_rows.tag_refs(connection)
    check_tags(drafts, refs)
    _check_repeats(drafts, stamp)
    slots = pv_rows.slots_of(connection, drafts)
    _check_present(connection, drafts, slots, stamp)
    ids = pv_rows.add(connection, drafts, slots, stamp)
    pv_rows.link(connection, ids, (draft.tag_ids for draft in drafts))
    return [_made(pv_id, draft, refs, stamp) for pv_id, draft in zip(ids, drafts, strict=True)]


def update(connection: Connection, pv_id: int, changes: PvChanges, stamp: Stamp) -> Pv:
    """Changes some fields of a PV. Raises PvNotFound, Invalid, DuplicatePvs."""
    before = as_draft(pv_rows.fetch_one(connection, pv_id))
    after = checked(replace(before, **changes))
    check_tags([after], pv_rows.tag_refs(connection))
    slots = pv_rows.slots_of(connection, [after])
    identity = pv_rows.identity(*slots[0])
    if pv_rows.identities(connection, [identity]).get(identity, pv_id) != pv_id:
        raise DuplicatePvs([_name(after, stamp)], where="in the catalogue already")
    pv_rows.change(connection, {pv_id: after}, slots, stamp)
    return pv_rows.fetch_one(connection, pv_id)


def as_draft(pv: Pv) -> PvDraft:
    """The values of a PV without what the catalogue adds."""
    return PvDraft(
        setpoint=pv.setpoint,
        readback=pv.readback,
        config=pv.config,
        device=pv.device,
        description=pv.description,
        abs_tolerance=pv.abs_tolerance,
        rel_tolerance=pv.rel_tolerance,
        read_only=pv.read_only,
        tag_ids=tuple(tag.id for tag in pv.tags),
    )


def check_tags(drafts: Iterable[PvDraft], known: dict[int, TagRef]) -> None:
    """Raises Invalid that names every tag id that does not exist."""
    unknown = sorted({tag for draft in drafts for tag in draft.tag_ids} - known.keys())
    if unknown:
        named = ", ".join(map(str, unknown[:NAMED_IN_A_MESSAGE]))
        errors = [FieldError(("tags",), f"unknown tag {tag}") for tag in unknown]
        raise Invalid(f"unknown tags: {named}", errors=errors)


def at_position(error: Invalid, position: int) -> Invalid:
    """What is wrong with one entry, as what is wrong with the list that holds it."""
    errors = [FieldError((position, *one.where), one.message) for one in error.errors]
    return Invalid(f"entry {position}: {error.message}", errors=errors, remedy=error.remedy)


def _checked_at(position: int, draft: PvDraft, count: int) -> PvDraft:
    try:
        return checked(draft)
    except Invalid as error:
        if count == 1:
            raise
        raise at_position(error, position) from error


def _check_repeats(drafts: Sequence[PvDraft], stamp: Stamp) -> None:
    counts = Counter((_part(draft), draft.address) for draft in drafts)
    repeated = [address.short(stamp.default_protocol) for (_, address), n in counts.items() if n > 1 and address]
    if repeated:
        raise DuplicatePvs(repeated, where="more than once in this request")


def _check_present(
    connection: Connection, drafts: Sequence[PvDraft], slots: Sequence[pv_rows.Slots], stamp: Stamp
) -> None:
    wanted = [pv_rows.identity(*ids) for ids in slots]
    present = pv_rows.identities(connection, wanted)
    names = [_name(draft, stamp) for draft, one in zip(drafts, wanted, strict=True) if one in present]
    if names:
        raise DuplicatePvs(names, where="in the catalogue already")


def _part(draft: PvDraft) -> str:
    if draft.setpoint:
        return "setpoint"
    return "readback" if draft.readback else "config"


def _name(draft: PvDraft, stamp: Stamp) -> str:
    return draft.address.short(stamp.default_protocol) if draft.address else ""


def _made(pv_id: int, draft: PvDraft, refs: dict[int, TagRef], stamp: Stamp) -> Pv:
    carried = sorted((refs[tag] for tag in draft.tag_ids), key=lambda ref: (ref.group_name, ref.name))
    return Pv(
        id=pv_id,
        setpoint=draft.setpoint,
        readback=draft.readback,
        config=draft.config,
        device=draft.device,
        description=draft.description,
        abs_tolerance=draft.abs_tolerance,
        rel_tolerance=draft.rel_tolerance,
        read_only=draft.read_only,
        tags=tuple(carried),
        created_at=stamp.at,
        modified_at=stamp.at,
        created_by=stamp.by,
        modified_by=stamp.by,
    )
