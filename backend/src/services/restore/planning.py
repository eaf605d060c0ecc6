"""What a restore would do with each PV, and why. Nothing here reads or writes a channel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.src.infra.epics.frame import LIMITS, Flag, Frame, ValueType, empty_rows
from backend.src.services.catalog import NO_SLOT, Inventory
from backend.src.services.restore.models import VERDICTS, Judgement, RestoreOptions, Verdict
from backend.src.services.snapshots.agreement import Pairs, agree, no_tolerance
from backend.src.services.snapshots.capture import Capture, Floats, Ints, Mask, Role

UPPER, LOWER = LIMITS.index("upper_control"), LIMITS.index("lower_control")
CODE = {verdict: code for code, verdict in enumerate(VERDICTS)}
REASONS = {
    Verdict.WRITE: "differs from the snapshot",
    Verdict.EQUAL: "has the snapshot's value already",
    Verdict.DISCONNECTED: "does not answer",
    Verdict.NO_ACCESS: "its server grants no write access",
}


def setpoint_rows(target: Capture, pv_rows: Ints) -> Ints:
    """int64[n]: the channel row of each PV's setpoint, -1 for none."""
    rows: Ints = target.row_of_role[pv_rows, Role.SETPOINT]
    return rows


def saved_frame(target: Capture, setpoints: Ints) -> Frame:
    """n readings as the snapshot has them; never seen where there is no setpoint."""
    frame = target.frame.take(np.where(setpoints >= 0, setpoints, 0))
    missing = setpoints < 0
    frame.rows[missing] = empty_rows(1)
    return frame


def protected(inventory: Inventory, target: Capture, pv_rows: Ints) -> Mask:
    """bool[n]: PVs that the catalogue of now marks read-only, by their id or by the address of their setpoint."""
    marked = np.flatnonzero(inventory.read_only)
    slots = [slot for slot in inventory.setpoint[marked].tolist() if slot != NO_SLOT]
    addresses = {str(inventory.address_of[slot]) for slot in slots}
    setpoints = setpoint_rows(target, pv_rows).tolist()
    by_address = [row >= 0 and target.addresses[row] in addresses for row in setpoints]
    by_id: Mask = np.isin(target.pvs.ids[pv_rows], inventory.pv_ids[marked])
    return by_id | np.array(by_address, np.bool_)


def judge(target: Capture, pv_rows: Ints, current: Frame, protected: Mask, options: RestoreOptions) -> Judgement:
    """A verdict for each of n PVs. current: n readings of now; protected: bool[n], read-only in today's catalogue."""
    setpoints = setpoint_rows(target, pv_rows)
    saved = saved_frame(target, setpoints)
    read_only = (setpoints < 0) | target.pvs.read_only[pv_rows] | protected
    unreliable = target.stale[np.where(setpoints >= 0, setpoints, 0)] & (not options.include_stale)
    outside = np.zeros(len(pv_rows), np.bool_) if options.ignore_limits else outside_limits(saved, current)
    conditions = {
        Verdict.READ_ONLY: read_only,
        Verdict.NOT_CAPTURED: ~_has_value(saved) | unreliable,
        Verdict.DISCONNECTED: ~_has_value(current),
        Verdict.NO_ACCESS: (current.rows["flags"] & Flag.WRITABLE) == 0,
        Verdict.TYPE_MISMATCH: ~_same_type(saved, current),
        Verdict.EQUAL: equal(saved, current),
        Verdict.OUTSIDE_LIMITS: outside,
    }
    codes = np.select(list(conditions.values()), [CODE[verdict] for verdict in conditions], CODE[Verdict.WRITE])
    verdicts = codes.astype(np.uint8)
    return Judgement(verdicts, _reasons(verdicts.tolist(), saved, current, setpoints))


def _has_value(frame: Frame) -> Mask:
    known: Mask = frame.connected & (frame.rows["type"] != ValueType.NONE)
    return known


def equal(saved: Frame, current: Frame) -> Mask:
    """bool[n]: exactly the same value; tolerances are for looking, a restore puts back what was."""
    rows = np.arange(len(saved))
    return agree(saved, current, Pairs(rows, rows), no_tolerance(len(saved)))


def _same_type(saved: Frame, current: Frame) -> Mask:
    left, right = saved.rows, current.rows
    same: Mask = (left["type"] == right["type"]) & ((left["flags"] & Flag.ARRAY) == (right["flags"] & Flag.ARRAY))
    for row in np.flatnonzero(same & (left["type"] == ValueType.ENUM)).tolist():
        same[row] = not _relabelled(saved, current, row)
    return same


def _relabelled(saved: Frame, current: Frame, row: int) -> bool:
    """Whether the state of that index means something else today; not known where labels were never read."""
    before, now = saved.choices(row), current.choices(row)
    if not before or not now or before == now:
        return False
    label = saved.enum_label(row)
    return label is None or label != _label(current, row, saved)


def _label(current: Frame, row: int, saved: Frame) -> str | None:
    labels, index = current.choices(row), int(saved.rows["value"][row])
    return labels[index] if index < len(labels) else None


def outside_limits(saved: Frame, current: Frame) -> Mask:
    """bool[n]: a number beyond the control limits that the channel has today (none where upper <= lower)."""
    upper, lower = current.meta["limits"][:, UPPER], current.meta["limits"][:, LOWER]
    limited = np.isfinite(upper) & np.isfinite(lower) & (upper > lower)
    least, most = _extent(saved)
    outside: Mask = limited & ((least < lower) | (most > upper))
    return outside


def _extent(frame: Frame) -> tuple[Floats, Floats]:
    """The least and the largest number in each value; NaN, which is beyond nothing, where there is none."""
    bits, kinds = np.ascontiguousarray(frame.rows["value"]), frame.rows["type"]
    floating = (kinds == ValueType.DOUBLE) | (kinds == ValueType.FLOAT)
    whole = np.where(kinds == ValueType.UINT64, bits.astype(np.float64), bits.view(np.int64).astype(np.float64))
    numbers = np.where(floating, bits.view(np.float64), whole)
    unlimited = np.isin(kinds, (ValueType.NONE, ValueType.ENUM, ValueType.BOOLEAN, ValueType.STRING))
    numbers[unlimited | ((frame.rows["flags"] & Flag.OBJECT) != 0)] = np.nan
    least, most = numbers, numbers.copy()
    for row, value in frame.objects.items():
        if isinstance(value, np.ndarray) and value.size and kinds[row] not in (ValueType.ENUM, ValueType.BOOLEAN):
            least[row], most[row] = np.fmin.reduce(value), np.fmax.reduce(value)
    return least, most


def _reasons(codes: list[int], saved: Frame, current: Frame, setpoints: Ints) -> list[str]:
    reasons = [REASONS.get(VERDICTS[code], "") for code in codes]
    for row, code in enumerate(codes):
        if not reasons[row]:
            reasons[row] = _DETAILS[VERDICTS[code]](saved, current, setpoints, row)
    return reasons


def _why_read_only(saved: Frame, current: Frame, setpoints: Ints, row: int) -> str:
    return "has no setpoint" if setpoints[row] < 0 else "is read-only"


def _why_not_captured(saved: Frame, current: Frame, setpoints: Ints, row: int) -> str:
    if saved.rows["type"][row] == ValueType.NONE:
        return "had no value in the snapshot"
    if not saved.connected[row]:
        return "was disconnected when the snapshot was made"
    return "was stale when the snapshot was made: nobody vouched for its value"


def _why_mismatched(saved: Frame, current: Frame, setpoints: Ints, row: int) -> str:
    was, now = _kind(saved, row), _kind(current, row)
    if was != now:
        return f"is {now} today, was {was}"
    index = int(saved.rows["value"][row])
    return f"state {index} was {saved.enum_label(row)!r}, means {_label(current, row, saved)!r} today"


def _kind(frame: Frame, row: int) -> str:
    label = ValueType(int(frame.rows["type"][row])).label
    return f"an array of {label}" if frame.rows["flags"][row] & Flag.ARRAY else f"a {label}"


def _why_outside(saved: Frame, current: Frame, setpoints: Ints, row: int) -> str:
    limits = current.meta["limits"][row]
    return f"is outside today's control limits {limits[LOWER]:g} to {limits[UPPER]:g}"


_DETAILS: dict[Verdict, Callable[[Frame, Frame, Ints, int], str]] = {
    Verdict.READ_ONLY: _why_read_only,
    Verdict.NOT_CAPTURED: _why_not_captured,
    Verdict.TYPE_MISMATCH: _why_mismatched,
    Verdict.OUTSIDE_LIMITS: _why_outside,
}
