"""What differs between two captures, PV by PV and field by field. Symmetric: compare(a, b) mirrors compare(b, a).

How values agree is told in agreement.py. Where the two captures know different tolerances for a PV the larger
one counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.src.services.snapshots.agreement import Pairs, Tolerances, agree
from backend.src.services.snapshots.capture import Capture, Ints, Mask


@dataclass(frozen=True, slots=True)
class Comparison:
    """`pairs` in name order; within: bool[k]; only_in_1, only_in_2: channel rows of one capture alone."""

    pairs: Pairs
    within: Mask
    only_in_1: Ints
    only_in_2: Ints

    @property
    def match_count(self) -> int:
        """Fields that agree."""
        return int(self.within.sum())

    @property
    def difference_count(self) -> int:
        """Fields that both have and that do not agree."""
        return len(self.within) - self.match_count


def compare(first: Capture, second: Capture, tolerance: float | None = None) -> Comparison:
    """Every field of both. `tolerance`, absolute, takes the place of all the PVs' own."""
    rows1, rows2 = first.row_of_role, second.row_of_role
    pvs1, pvs2 = match_pvs(first, second)
    pairs, only1, only2 = _pair_fields(rows1, rows2, pvs1, pvs2)
    tolerances = _tolerances(first, second, pairs, tolerance)
    within = agree(first.frame, second.frame, pairs, tolerances)
    return Comparison(pairs, within, only1, only2)


def match_pvs(first: Capture, second: Capture) -> tuple[Ints, Ints]:
    """The PV rows of both that are one PV: by id, else (imported anew in between) by name; in name order."""
    _, pvs1, pvs2 = np.intersect1d(first.pvs.ids, second.pvs.ids, assume_unique=True, return_indices=True)
    left1 = np.setdiff1d(np.arange(len(first.pvs)), pvs1, assume_unique=True)
    left2 = np.setdiff1d(np.arange(len(second.pvs)), pvs2, assume_unique=True)
    named = _unique_names(second, left2)
    in_first = _unique_names(first, left1)
    by_name = [(row, named[name]) for name, row in in_first.items() if name in named]
    found = np.array(by_name, np.int64).reshape(-1, 2)
    pvs1, pvs2 = np.concatenate((pvs1, found[:, 0])), np.concatenate((pvs2, found[:, 1]))
    order = np.argsort(pvs1, kind="stable")  # captures are in name order, so their rows are
    return pvs1[order], pvs2[order]


def _unique_names(capture: Capture, rows: Ints) -> dict[str, int]:
    """Two PVs of one name cannot be told apart by it: neither is matched."""
    found: dict[str, int] = {}
    twice = set()
    for row in rows.tolist():
        name = capture.pvs.names[row]
        if found.setdefault(name, row) != row:
            twice.add(name)
    return {name: row for name, row in found.items() if name not in twice}


def _pair_fields(rows1: Ints, rows2: Ints, pvs1: Ints, pvs2: Ints) -> tuple[Pairs, Ints, Ints]:
    fields1, fields2 = rows1[pvs1], rows2[pvs2]
    both = (fields1 >= 0) & (fields2 >= 0)
    pairs = Pairs(fields1[both], fields2[both])
    return pairs, _others(rows1, pairs.rows1), _others(rows2, pairs.rows2)


def _others(rows: Ints, taken: Ints) -> Ints:
    every = rows[rows >= 0]
    return np.setdiff1d(every, taken, assume_unique=True)


def _tolerances(first: Capture, second: Capture, pairs: Pairs, override: float | None) -> Tolerances:
    if override is not None:
        return Tolerances(np.full(len(pairs), override), np.zeros(len(pairs)))
    pvs1, pvs2 = first.pv_row[pairs.rows1], second.pv_row[pairs.rows2]
    return Tolerances(
        np.maximum(first.pvs.abs_tolerance[pvs1], second.pvs.abs_tolerance[pvs2]),
        np.maximum(first.pvs.rel_tolerance[pvs1], second.pvs.rel_tolerance[pvs2]),
    )
