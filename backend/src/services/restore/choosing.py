"""Which PVs of a snapshot a selection means."""

from __future__ import annotations

import fnmatch
import re

import numpy as np

from backend.src.core.errors import FieldError, Invalid
from backend.src.infra.epics.address import Protocol
from backend.src.services.catalog import Selection
from backend.src.services.restore.models import RestoreRequest
from backend.src.services.snapshots.capture import Capture, Ints, Mask

NAMED_IN_A_MESSAGE = 20


def choose(target: Capture, request: RestoreRequest, default: Protocol) -> Ints:
    """The rows of its PVs, ascending. Raises Invalid for unknown ids, and when nothing is left."""
    selection = request.selection
    _check_criteria(selection)
    chosen = np.ones(len(target.pvs), np.bool_)
    if selection.pv_ids is not None:
        _refuse_unknown(target, selection.pv_ids, "pvIds")
        chosen &= np.isin(target.pvs.ids, selection.pv_ids)
    for tag_ids in (selection.tag_filters or {}).values():
        chosen &= _tagged(target, frozenset(tag_ids))
    if selection.pattern is not None:
        chosen &= _matching(target, selection.pattern, default)
    _refuse_unknown(target, request.excluded, "excludePvIds")
    chosen &= ~np.isin(target.pvs.ids, sorted(request.excluded))
    rows = np.flatnonzero(chosen)
    if not len(rows):
        raise Invalid("the selection holds no PV of the snapshot", remedy="widen it, or leave it out to restore all")
    return rows


def _check_criteria(selection: Selection) -> None:
    given = (selection.pv_ids is not None, selection.tag_filters is not None, selection.pattern is not None)
    if any(given) == selection.everything:
        raise Invalid("name some PVs, or everything, and not both")
    if selection.pv_ids is not None and not selection.pv_ids:
        raise Invalid("pvIds is empty", remedy="name at least one PV, or leave pvIds out to restore all")
    if selection.tag_filters is not None and not all(selection.tag_filters.values() or (False,)):
        raise Invalid("tagFilters names no tag", remedy="name tags, or leave tagFilters out")
    if selection.pattern is not None and not selection.pattern.strip():
        raise Invalid("pvPattern is empty", remedy="give a pattern such as SR:*:SP, or leave pvPattern out")


def _refuse_unknown(target: Capture, pv_ids: tuple[int, ...] | frozenset[int], where: str) -> None:
    known = set(target.pvs.ids.tolist())
    unknown = [pv_id for pv_id in pv_ids if pv_id not in known]
    if unknown:
        named = ", ".join(map(str, unknown[:NAMED_IN_A_MESSAGE]))
        errors = [FieldError((where,), f"the snapshot has no PV {pv_id}") for pv_id in unknown]
        raise Invalid(f"the snapshot has no PV with these ids: {named}", errors=errors)


def _tagged(target: Capture, tag_ids: frozenset[int]) -> Mask:
    """As the PVs were tagged when the snapshot was made."""
    tags = target.pvs.tags
    return np.fromiter((any(ref.id in tag_ids for ref in refs) for refs in tags), np.bool_, len(tags))


def _matching(target: Capture, pattern: str, default: Protocol) -> Mask:
    """A glob (* and ?) that an address of the PV matches whole, with case."""
    matches = re.compile(fnmatch.translate(pattern.replace("[", "[[]"))).fullmatch
    names = (address.short(default) for address in target.parsed)
    found = np.fromiter((matches(name) is not None for name in names), np.bool_, len(target))
    chosen = np.zeros(len(target.pvs), np.bool_)
    chosen[target.pv_row[found]] = True
    return chosen
