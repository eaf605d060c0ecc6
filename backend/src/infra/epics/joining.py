"""Putting together what came over two protocols."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.frame import Frame, Interned, Rows, empty_frame
from backend.src.infra.epics.outcomes import Changes

Places = npt.NDArray[np.int64]


def joined_frames(size: int, parts: Sequence[tuple[Places, Frame]]) -> Frame:
    """One frame of `size` rows from parts that say where each of their rows belongs."""
    if len(parts) == 1 and len(parts[0][1]) == size:
        return parts[0][1]
    whole = empty_frame(size)
    for places, part in parts:
        whole.rows[places] = part.rows
        whole.meta[places] = translated(part.meta, part.interned, whole.interned)
        whole.objects.update((int(places[row]), value) for row, value in part.objects.items())
    return whole


def joined_changes(first: Changes, second: Changes) -> Changes:
    """Changes of disjoint sets of slots."""
    if not len(second.slots) and not len(second.meta_slots):
        return first
    if not len(first.slots) and not len(first.meta_slots):
        return second
    return Changes(
        np.concatenate([first.slots, second.slots]),
        np.concatenate([first.rows, second.rows]),
        {**first.objects, **second.objects},
        np.concatenate([first.meta_slots, second.meta_slots]),
        np.concatenate([first.meta, translated(second.meta, second.interned, first.interned)]),
        first.interned,
    )


def translated(meta: Rows, given: Interned, wanted: Interned) -> Rows:
    """META with the indexes of another table, which grows by what it lacks."""
    result = meta.copy()
    for index in np.unique(meta["units"]).tolist():
        result["units"][meta["units"] == index] = wanted.unit(given.units[index])
    for index in np.unique(meta["choices"]).tolist():
        result["choices"][meta["choices"] == index] = wanted.choice(given.choices[index])
    return result
