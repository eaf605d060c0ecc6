"""The machine's state as one table: the latest reading of every channel, by slot.

A slot is the id of a channel's row in SQL. Nothing here makes a Python object per scalar update. The event
loop is the only thread that may touch a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backend.src.core.clock import Clock
from backend.src.infra.epics.frame import (
    Flag,
    Frame,
    Interned,
    PvValue,
    Rows,
    ValueType,
    empty_meta,
    empty_rows,
)
from backend.src.infra.epics.outcomes import Changes

Slots = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

FIRST_CAPACITY = 1024
CONNECT_S = 10.0  # a channel that is there has connected by then, with 50,000 others and on a busy machine


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The monitor's last sign of life: when (ns since 1970, 0 for never) and how long ago."""

    alive: bool
    beat_ns: int
    age_s: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many channels are in which state; tracked = connected + disconnected, which includes never_seen."""

    tracked: int
    connected: int
    disconnected: int
    never_seen: int
    stale: int
    in_alarm: int


class LiveTable:
    """Columns indexed by slot. A tracked slot is one that the catalogue names."""

    def __init__(self, clock: Clock, *, stale_after_s: float) -> None:
        self._clock = clock
        self._stale_after_s = stale_after_s
        self._rows = empty_rows(FIRST_CAPACITY)
        self._meta = empty_meta(FIRST_CAPACITY)
        self._objects: dict[int, PvValue] = {}
        self._interned = Interned()
        self._sequences: npt.NDArray[np.int64] = np.zeros(FIRST_CAPACITY, np.int64)
        self._meta_sequences: npt.NDArray[np.int64] = np.zeros(FIRST_CAPACITY, np.int64)
        self._tracked: Mask = np.zeros(FIRST_CAPACITY, np.bool_)
        self._suspect: Mask = np.zeros(FIRST_CAPACITY, np.bool_)
        self._confirmed_ns: npt.NDArray[np.int64] = np.zeros(FIRST_CAPACITY, np.int64)
        self._expected_until: npt.NDArray[np.float64] = np.zeros(FIRST_CAPACITY, np.float64)
        self._sequence = 0
        self._updates = 0
        self._beat_ns = 0
        self._beat_at: float | None = None

    # -- which channels -----------------------------------------------------------------------------------

    def track(self, slots: npt.ArrayLike) -> None:
        """From now on these channels count, and their changes are taken."""
        wanted = _slots(slots)
        self._reserve(wanted)
        self._tracked[wanted] = True
        self.expect(wanted)
        self._touch(wanted)

    def expect(self, slots: npt.ArrayLike) -> None:
        """These tracked channels are being connected now."""
        self._expected_until[_slots(slots)] = self._clock.monotonic() + CONNECT_S

    def forget(self, slots: npt.ArrayLike) -> None:
        """These channels are as if never seen; changes that still arrive for them are dropped."""
        gone = _slots(slots)
        gone = gone[self._inside(gone)]
        self._rows[gone] = empty_rows(1)
        self._meta[gone] = empty_meta(1)
        self._tracked[gone] = self._suspect[gone] = False
        self._confirmed_ns[gone] = 0
        for slot in gone.tolist():
            self._objects.pop(slot, None)
        self._touch(gone)

    def tracked(self) -> Slots:
        """Every tracked slot, ascending."""
        return np.flatnonzero(self._tracked).astype(np.int32)

    # -- what comes in ------------------------------------------------------------------------------------

    def apply(self, changes: Changes) -> int:
        """Takes a drain's changes; the number of channels that changed."""
        if len(changes.meta_slots):
            self._apply_meta(changes)
        slots = _slots(changes.slots)
        mine = self._mine(slots)
        slots, rows = slots[mine], changes.rows[mine]
        if not len(slots):
            return 0
        rows = self._keep_last_values(slots, rows)
        self._take_objects(changes.objects)
        self._rows[slots] = rows
        self._suspect[slots] = False
        self._confirmed_ns[slots] = rows["received_ns"]
        self._touch(slots)
        self._updates += len(slots)
        return len(slots)

    def _apply_meta(self, changes: Changes) -> None:
        slots = _slots(changes.meta_slots)
        mine = self._mine(slots)
        slots = slots[mine]
        self._meta[slots] = self._adopt(changes.meta[mine], changes.units, changes.choices)
        self._touch(slots)
        self._meta_sequences[slots] = self._sequence

    def _adopt(self, meta: Rows, units: Sequence[str], choices: Sequence[tuple[str, ...]]) -> Rows:
        """META whose texts are counted by this table's own lists."""
        adopted = meta.copy()
        used, where = np.unique(meta["units"], return_inverse=True)
        adopted["units"] = np.array([self._interned.unit(units[i]) for i in used], np.int32)[where]
        used, where = np.unique(meta["choices"], return_inverse=True)
        adopted["choices"] = np.array([self._interned.choice(tuple(choices[i])) for i in used], np.int32)[where]
        return adopted

    def _keep_last_values(self, slots: Slots, rows: Rows) -> Rows:
        """A channel that went away without a value keeps its last one, without the connection."""
        blank = (rows["type"] == ValueType.NONE) & (self._rows["type"][slots] != ValueType.NONE)
        if not blank.any():
            return rows
        kept = rows.copy()
        kept[blank] = self._rows[slots[blank]]
        kept["flags"][blank] &= ~np.uint8(Flag.CONNECTED)
        return kept

    def _take_objects(self, objects: Mapping[int, PvValue]) -> None:
        for slot, value in objects.items():
            if slot < len(self._tracked) and self._tracked[slot]:
                self._objects[slot] = value

    def _mine(self, slots: Slots) -> Mask:
        inside = (slots >= 0) & (slots < len(self._tracked))
        mine: Mask = inside & self._tracked[np.where(inside, slots, 0)]
        return mine

    def lose(self, slots: npt.ArrayLike) -> None:
        """These channels are not connected any more; they keep their last values."""
        lost = _slots(slots)
        lost = lost[(self._rows["flags"][lost] & Flag.CONNECTED) != 0]
        self._rows["flags"][lost] &= ~np.uint8(Flag.CONNECTED)
        self._touch(lost)

    # -- how true it is -----------------------------------------------------------------------------------

    def beat(self, beat_ns: int | None = None) -> None:
        """The monitor is alive, at `beat_ns` (ns since 1970) or now."""
        self._beat_ns = self._clock.time_ns() if beat_ns is None else beat_ns
        self._beat_at = self._clock.monotonic()

    def silence(self) -> None:
        """Nobody keeps this table true any more: every value is stale at once."""
        self._beat_at = None

    def heartbeat(self) -> Heartbeat:
        """The monitor's last sign of life."""
        age_s = None if self._beat_at is None else self._clock.monotonic() - self._beat_at
        return Heartbeat(age_s is not None and age_s <= self._stale_after_s, self._beat_ns, age_s)

    def fresh(self) -> bool:
        """Whether the monitor is alive; without it no value may pass for the present one."""
        return self.heartbeat().alive

    def suspect(self, slots: npt.ArrayLike) -> None:
        """The watchdog found that these values are not the machine's; they are stale until they change."""
        doubted = _slots(slots)
        self._suspect[doubted] = True
        self._touch(doubted)

    def confirm(self, slots: npt.ArrayLike, at_ns: int) -> None:
        """The watchdog read the same values at `at_ns`."""
        agreed = _slots(slots)
        self._confirmed_ns[agreed] = np.maximum(self._confirmed_ns[agreed], at_ns)
        cleared = agreed[self._suspect[agreed]]
        if len(cleared):
            self._suspect[cleared] = False
            self._touch(cleared)

    def expected(self, slots: npt.ArrayLike) -> Mask:
        """bool[n]: true for a channel that is not connected, but may only not be so yet."""
        asked = _slots(slots)
        inside = self._inside(asked)
        index = np.where(inside, asked, 0)
        known = inside & self._tracked[index]
        connected = (self._rows["flags"][index] & Flag.CONNECTED) != 0
        result: Mask = ~known | (~connected & (self._clock.monotonic() < self._expected_until[index]))
        return result

    def doubted(self, slots: npt.ArrayLike) -> Mask:
        """bool[n]: true for a value that was read otherwise, and has not changed since."""
        asked = _slots(slots)
        inside = self._inside(asked)
        result: Mask = inside & self._suspect[np.where(inside, asked, 0)]
        return result

    def stale(self, slots: npt.ArrayLike) -> Mask:
        """bool[n]: true for a value that may not be the machine's present one.

        That is every value once the monitor is dead, what the watchdog found to differ, and what is not
        connected. A value that has not changed for long is not stale.
        """
        asked = _slots(slots)
        if not self.fresh():
            return np.ones(len(asked), np.bool_)
        inside = self._inside(asked)
        connected = (self._rows["flags"][np.where(inside, asked, 0)] & Flag.CONNECTED) != 0
        result: Mask = ~inside | ~connected | self.doubted(asked)
        return result

    def confirmed_ns(self, slots: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """int64[n]: when each value was last known to be true, by an update or an audit; 0 for never."""
        asked = _slots(slots)
        inside = self._inside(asked)
        return np.where(inside, self._confirmed_ns[np.where(inside, asked, 0)], 0)

    def counts(self) -> Counts:
        """How many channels are in which state."""
        slots = self.tracked()
        rows = self._rows[slots]
        connected = int(np.count_nonzero(rows["flags"] & Flag.CONNECTED))
        return Counts(
            tracked=len(slots),
            connected=connected,
            disconnected=len(slots) - connected,
            never_seen=int(np.count_nonzero(rows["type"] == ValueType.NONE)),
            stale=int(np.count_nonzero(self.stale(slots))),
            in_alarm=int(np.count_nonzero(rows["severity"])),
        )

    # -- what goes out ------------------------------------------------------------------------------------

    @property
    def sequence(self) -> int:
        """Grows with every change; the newest one's number."""
        return self._sequence

    @property
    def updates(self) -> int:
        """Changes taken since the start."""
        return self._updates

    def frame(self, slots: npt.ArrayLike) -> Frame:
        """A copy of these channels, aligned with `slots`; a slot of -1 or unknown is one never seen."""
        asked = _slots(slots)
        inside = self._inside(asked)
        index = np.where(inside, asked, 0)
        rows, meta = self._rows[index], self._meta[index]
        if not inside.all():
            rows[~inside], meta[~inside] = empty_rows(1), empty_meta(1)
        held = np.flatnonzero(rows["flags"] & Flag.OBJECT)
        objects = {row: self._objects.get(slot) for row, slot in zip(held.tolist(), asked[held].tolist(), strict=True)}
        return Frame(rows, meta, objects, self._interned)

    def changed_since(self, sequence: int) -> tuple[Slots, int]:
        """The slots that changed after `sequence`, and the number to ask with next time."""
        return np.flatnonzero(self._sequences > sequence).astype(np.int32), self._sequence

    def export(self, slots: npt.ArrayLike, *, meta_since: int = -1) -> tuple[Changes, Mask]:
        """These channels for another process's copy, with the metadata that changed after a sequence number.

        The mask, bool[n], tells which of them are in doubt.
        """
        asked = _slots(slots)
        rows = self._rows[asked].copy()
        held = asked[(rows["flags"] & Flag.OBJECT) != 0].tolist()
        objects = {slot: self._objects[slot] for slot in held if slot in self._objects}
        described = asked[self._meta_sequences[asked] > meta_since]
        return Changes(asked, rows, objects, described, self._meta[described], self._interned), self._suspect[asked]

    def sequences(self, slots: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """int64[n]: the number of each slot's last change; 0 for a slot that is not known."""
        asked = _slots(slots)
        inside = self._inside(asked)
        return np.where(inside, self._sequences[np.where(inside, asked, 0)], 0)

    # -- room ---------------------------------------------------------------------------------------------

    def _inside(self, slots: Slots) -> Mask:
        inside: Mask = (slots >= 0) & (slots < len(self._rows))
        return inside

    def _touch(self, slots: Slots) -> None:
        if len(slots):
            self._sequence += 1
            self._sequences[slots] = self._sequence

    def _reserve(self, slots: Slots) -> None:
        needed = int(slots.max()) + 1 if len(slots) else 0
        have = len(self._rows)
        if needed <= have:
            return
        more = max(needed, 2 * have) - have
        self._rows = np.concatenate([self._rows, empty_rows(more)])
        self._meta = np.concatenate([self._meta, empty_meta(more)])
        self._sequences = np.concatenate([self._sequences, np.zeros(more, np.int64)])
        self._meta_sequences = np.concatenate([self._meta_sequences, np.zeros(more, np.int64)])
        self._tracked = np.concatenate([self._tracked, np.zeros(more, np.bool_)])
        self._suspect = np.concatenate([self._suspect, np.zeros(more, np.bool_)])
        self._confirmed_ns = np.concatenate([self._confirmed_ns, np.zeros(more, np.int64)])
        self._expected_until = np.concatenate([self._expected_until, np.zeros(more, np.float64)])


def _slots(slots: npt.ArrayLike) -> Slots:
    return np.asarray(slots, np.int32)
