"""What the catalogue holds, as frozen values: PVs, tag groups, tags, and the choice of some PVs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict

from backend.src.infra.epics.address import Protocol, PvAddress


@dataclass(frozen=True, slots=True)
class TagRef:
    """A tag with its group, as a PV carries it."""

    id: int
    name: str
    group_id: int
    group_name: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """A word of a group."""

    id: int
    name: str
    description: str | None


@dataclass(frozen=True, slots=True)
class TagGroup:
    """A set of tags under one name; `tags` in name order."""

    id: int
    name: str
    description: str | None
    tags: tuple[Tag, ...]
    created_at: datetime
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class TagGroupSummary:
    """A group without its tags."""

    id: int
    name: str
    description: str | None
    tag_count: int


@dataclass(frozen=True, slots=True)
class TagDraft:
    """A tag to be made."""

    name: str
    description: str | None = None


class TagChanges(TypedDict, total=False):
    """New values of a tag or a group; what is missing stays."""

    name: str
    description: str | None


@dataclass(frozen=True, slots=True)
class BulkTagsReport:
    """What a bulk creation of tags did; a warning names each tag that was there already."""

    groups_created: int
    tags_created: int
    tags_skipped: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PvDraft:
    """A PV to be made, or as an update leaves it; at least one address."""

    setpoint: PvAddress | None = None
    readback: PvAddress | None = None
    config: PvAddress | None = None
    device: str | None = None
    description: str | None = None
    abs_tolerance: float = 0.0
    rel_tolerance: float = 0.0
    read_only: bool = False
    tag_ids: tuple[int, ...] = ()

    @property
    def address(self) -> PvAddress | None:
        """What the PV goes by: its setpoint, else its readback, else its config address."""
        return self.setpoint or self.readback or self.config


class PvChanges(TypedDict, total=False):
    """New values of a PV; what is missing stays, None clears."""

    setpoint: PvAddress | None
    readback: PvAddress | None
    config: PvAddress | None
    device: str | None
    description: str | None
    abs_tolerance: float
    rel_tolerance: float
    read_only: bool
    tag_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pv:
    """One entry of the catalogue; `tags` in order of group and name."""

    id: int
    setpoint: PvAddress | None
    readback: PvAddress | None
    config: PvAddress | None
    device: str | None
    description: str | None
    abs_tolerance: float
    rel_tolerance: float
    read_only: bool
    tags: tuple[TagRef, ...]
    created_at: datetime
    modified_at: datetime
    created_by: str | None
    modified_by: str | None

    def name(self, default: Protocol = Protocol.CA) -> str:
        """The short text of the address it goes by."""
        address = self.setpoint or self.readback or self.config
        return address.short(default) if address else ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Some PVs: those that meet every criterion given. None means "not a criterion".

    tag_filters: group id -> tag ids; one of the tags within a group, and that for every group.
    pattern: a glob (* and ?) that one of a PV's short addresses matches whole, with case.
    everything: all PVs; only alone, so that nobody asks for the whole machine by leaving something out.
    """

    pv_ids: tuple[int, ...] | None = None
    tag_filters: Mapping[int, tuple[int, ...]] | None = None
    pattern: str | None = None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list: `total` counts the whole of it, `next_after` is where the next page begins (None: the end)."""

    pvs: tuple[Pv, ...] = field(repr=False)
    total: int
    next_after: tuple[str, int] | None
