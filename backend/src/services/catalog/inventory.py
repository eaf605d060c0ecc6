"""The whole catalogue as columns: what the monitor, snapshots and searches work on."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt

from backend.src.core.errors import FieldError, Invalid
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.services.catalog.models import Pv, Selection, TagRef

Ints = npt.NDArray[np.int64]
Slots = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

NO_SLOT = -1
NAMED_IN_A_MESSAGE = 20


# when it was made and last changed, and by whom each
Audit = tuple[datetime, datetime, str | None, str | None]


@dataclass(frozen=True)
class Inventory:
    """n PVs in name order (then id); read-only, shared by everybody who asks for this version.

    setpoint, readback, config: slot or -1, int32[n]. address_of and slot_of also know the channels that no PV uses any
    more. tag_links: int64[k, 2], every (row, tag id), in row order. known_tags, known_groups: all there are, by id.
    """

    version: int
    pv_ids: Ints
    names: list[str]
    setpoint: Slots
    readback: Slots
    config: Slots
    devices: list[str | None]
    descriptions: list[str | None]
    abs_tolerance: npt.NDArray[np.float64]
    rel_tolerance: npt.NDArray[np.float64]
    read_only: Mask
    tags: list[tuple[TagRef, ...]]
    address_of: dict[int, PvAddress]
    slot_of: dict[PvAddress, int]
    default_protocol: Protocol = Protocol.CA
    tag_links: Ints = field(default_factory=lambda: np.empty((0, 2), np.int64))
    audits: list[Audit] = field(default_factory=list)
    known_tags: Mapping[int, TagRef] = field(default_factory=dict)
    known_groups: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def row_of(self) -> dict[int, int]:
        """PV id -> row."""
        return {pv_id: row for row, pv_id in enumerate(self.pv_ids.tolist())}

    @cached_property
    def used_slots(self) -> Slots:
        """The slots that some PV uses, ascending, each once: what has to be monitored."""
        slots: Slots = np.unique(np.concatenate((self.setpoint, self.readback, self.config)))
        used: Slots = slots[slots != NO_SLOT]
        return used

    def address(self, slot: int) -> PvAddress | None:
        """The address at a slot of one of the columns, None for -1."""
        return None if slot == NO_SLOT else self.address_of[slot]

    def pv(self, row: int) -> Pv:
        """One PV as an object."""
        created_at, modified_at, created_by, modified_by = self.audits[row]
        return Pv(
            id=int(self.pv_ids[row]),
            setpoint=self.address(int(self.setpoint[row])),
            readback=self.address(int(self.readback[row])),
            config=self.address(int(self.config[row])),
            device=self.devices[row],
            description=self.descriptions[row],
            abs_tolerance=float(self.abs_tolerance[row]),
            rel_tolerance=float(self.rel_tolerance[row]),
            read_only=bool(self.read_only[row]),
            tags=self.tags[row],
            created_at=created_at,
            modified_at=modified_at,
            created_by=created_by,
            modified_by=modified_by,
        )

    def short_addresses(self, row: int) -> tuple[str, ...]:
        """The addresses of one PV, bare where the protocol is the default: setpoint, readback, config, without gaps."""
        slots = (int(self.setpoint[row]), int(self.readback[row]), int(self.config[row]))
        return tuple(self.address_of[slot].short(self.default_protocol) for slot in slots if slot != NO_SLOT)

    def select(self, selection: Selection) -> Ints:
        """The rows of a selection, in name order.

        Raises Invalid when it asks for nothing, names unknown ids or finds nothing.
        """
        _check_criteria(selection)
        chosen = np.ones(len(self), np.bool_)
        if selection.pv_ids is not None:
            chosen &= self._with_ids(selection.pv_ids)
        if selection.tag_filters:
            chosen &= self.with_tags(selection.tag_filters)
        if selection.pattern is not None:
            chosen &= self._matching(selection.pattern)
        rows = np.flatnonzero(chosen)
        if not len(rows):
            raise Invalid("the selection holds no PV", remedy="widen pvIds, tagFilters or pvPattern")
        return rows

    def with_tags(self, tag_filters: Mapping[int, tuple[int, ...]]) -> Mask:
        """bool[n]: PVs with one of the tags of every group. Raises Invalid for unknown groups and tags."""
        self._check_filters(tag_filters)
        chosen = np.ones(len(self), np.bool_)
        for tag_ids in tag_filters.values():
            chosen &= self.with_any_tag(tag_ids)
        return chosen

    def with_any_tag(self, tag_ids: Iterable[int]) -> Mask:
        """bool[n]: PVs with one of the tags; unknown ones match nothing."""
        chosen = np.zeros(len(self), np.bool_)
        linked = np.isin(self.tag_links[:, 1], np.fromiter(tag_ids, np.int64))
        chosen[self.tag_links[linked, 0]] = True
        return chosen

    def containing(self, text: str) -> Mask:
        """bool[n]: PVs with the text, whatever its case, in an address, the device or the description."""
        if "\0" in text:
            return np.zeros(len(self), np.bool_)
        wanted = text.casefold()
        return np.fromiter((wanted in searched for searched in self._searched), np.bool_, len(self))

    @cached_property
    def _searched(self) -> list[str]:
        # one text a PV; NUL parts the fields, so that no match spans two of them
        return [
            "\0".join((*self.short_addresses(row), self.devices[row] or "", self.descriptions[row] or "")).casefold()
            for row in range(len(self))
        ]

    def _with_ids(self, pv_ids: tuple[int, ...]) -> Mask:
        unknown = [pv_id for pv_id in pv_ids if pv_id not in self.row_of]
        _refuse_unknown("PV", "pvIds", unknown)
        chosen = np.zeros(len(self), np.bool_)
        chosen[[self.row_of[pv_id] for pv_id in pv_ids]] = True
        return chosen

    def _matching(self, pattern: str) -> Mask:
        matches = _glob(pattern).fullmatch
        names = {slot: address.short(self.default_protocol) for slot, address in self.address_of.items()}
        slots = np.fromiter((slot for slot, name in names.items() if matches(name)), np.int32)
        return np.isin(self.setpoint, slots) | np.isin(self.readback, slots) | np.isin(self.config, slots)

    def _check_filters(self, tag_filters: Mapping[int, tuple[int, ...]]) -> None:
        _refuse_unknown("tag group", "tagFilters", [group for group in tag_filters if group not in self.known_groups])
        for group, tag_ids in tag_filters.items():
            if not tag_ids:
                raise Invalid(f"tagFilters names no tag of group {group}", remedy="leave the group out, or name tags")
            foreign = [tag for tag in tag_ids if tag not in self.known_tags or self.known_tags[tag].group_id != group]
            _refuse_unknown(f"tag in group {group}", "tagFilters", foreign)


def _check_criteria(selection: Selection) -> None:
    given = (selection.pv_ids is not None, bool(selection.tag_filters), selection.pattern is not None)
    if selection.everything and any(given):
        raise Invalid("everything cannot be combined with other criteria")
    if not selection.everything and not any(given):
        raise Invalid("the selection names nothing", remedy="give pvIds, tagFilters or pvPattern")
    if selection.pv_ids is not None and not selection.pv_ids:
        raise Invalid("pvIds is empty", remedy="name at least one PV, or leave pvIds out")
    if selection.pattern is not None and not selection.pattern.strip():
        raise Invalid("pvPattern is empty", remedy="give a pattern such as SR:*:SP, or leave pvPattern out")


def _refuse_unknown(kind: str, where: str, unknown: list[int]) -> None:
    if not unknown:
        return
    named = ", ".join(map(str, unknown[:NAMED_IN_A_MESSAGE]))
    more = f" and {len(unknown) - NAMED_IN_A_MESSAGE} more" if len(unknown) > NAMED_IN_A_MESSAGE else ""
    errors = [FieldError((where,), f"unknown {kind} {item}") for item in unknown]
    raise Invalid(f"unknown {kind}: {named}{more}", errors=errors)


def _glob(pattern: str) -> re.Pattern[str]:
    """* is any text, ? any one character, everything else itself: brackets are at home in PV names."""
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))
