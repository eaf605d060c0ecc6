"""What a PV, a tag and a group may look like; one place for every way in (requests, bulk, files)."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from backend.src.core.errors import FieldError, Invalid
from backend.src.services.catalog.models import PvDraft, TagChanges, TagDraft

MAX_NAME = 255
MAX_DESCRIPTION = 4_000

_NOT_STORABLE = re.compile(r"[\x00\ud800-\udfff]")


def checked(draft: PvDraft) -> PvDraft:
    """The draft with its texts trimmed, empty ones None, each tag once. Raises Invalid."""
    if draft.address is None:
        raise _invalid("setpointAddress", "a PV needs at least one address")
    return replace(
        draft,
        device=optional_text(draft.device, "device", MAX_NAME),
        description=optional_text(draft.description, "description", MAX_DESCRIPTION),
        tag_ids=tuple(dict.fromkeys(draft.tag_ids)),
        abs_tolerance=tolerance(draft.abs_tolerance, "absTolerance"),
        rel_tolerance=tolerance(draft.rel_tolerance, "relTolerance"),
    )


def checked_tag(draft: TagDraft) -> TagDraft:
    """The tag with its texts trimmed. Raises Invalid."""
    return TagDraft(required_name(draft.name), optional_text(draft.description, "description", MAX_DESCRIPTION))


def checked_tag_changes(changes: TagChanges) -> TagChanges:
    """The new values of a tag or a group, trimmed. Raises Invalid."""
    checked = TagChanges()
    if "name" in changes:
        checked["name"] = required_name(changes["name"])
    if "description" in changes:
        checked["description"] = optional_text(changes["description"], "description", MAX_DESCRIPTION)
    return checked


def required_name(text: str) -> str:
    """A trimmed name of a tag or a group. Raises Invalid when nothing is left of it."""
    name = optional_text(text, "name", MAX_NAME)
    if name is None:
        raise _invalid("name", "a name is needed")
    return name


def optional_text(text: str | None, where: str, longest: int) -> str | None:
    """The trimmed text, None when nothing is left of it. Raises Invalid."""
    if text is None:
        return None
    trimmed = text.strip()
    if len(trimmed) > longest:
        raise _invalid(where, f"longer than {longest} characters")
    if _NOT_STORABLE.search(trimmed):
        raise _invalid(where, "holds a NUL character or half a surrogate pair")
    return trimmed or None


def tolerance(value: float, where: str) -> float:
    """A tolerance. Raises Invalid unless it is finite and not negative."""
    if not math.isfinite(value) or value < 0:
        raise _invalid(where, "must be a finite number, zero or more")
    return value + 0.0  # -0.0 is 0.0


def _invalid(where: str, message: str) -> Invalid:
    return Invalid(f"{where}: {message}", errors=[FieldError((where,), message)])
