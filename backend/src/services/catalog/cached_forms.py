"""PVs and tag groups as the row cache keeps them: plain values that survive the trip exactly."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from backend.src.services.catalog.channels import canonical
from backend.src.services.catalog.models import Pv, Tag, TagGroup, TagRef

Plain = dict[str, Any]

_ADDRESSES = ("setpoint", "readback", "config")


def plain_pv(pv: Pv) -> Plain:
    """A PV as plain values."""
    addresses = {part: None if getattr(pv, part) is None else str(getattr(pv, part)) for part in _ADDRESSES}
    return asdict(pv) | addresses | {"tags": [asdict(tag) for tag in pv.tags]}


def pv_from(plain: Plain) -> Pv:
    """The inverse of plain_pv."""
    addresses = {part: None if plain[part] is None else canonical(plain[part]) for part in _ADDRESSES}
    return Pv(**(plain | addresses | {"tags": tuple(TagRef(**tag) for tag in plain["tags"])}))


def plain_group(group: TagGroup) -> Plain:
    """A tag group as plain values."""
    return asdict(group) | {"tags": [asdict(tag) for tag in group.tags]}


def group_from(plain: Plain) -> TagGroup:
    """The inverse of plain_group."""
    return TagGroup(**(plain | {"tags": tuple(Tag(**tag) for tag in plain["tags"])}))
