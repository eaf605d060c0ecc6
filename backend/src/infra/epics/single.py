"""One PV at a time, in the caller's event loop: aioca for Channel Access, p4p for PVAccess.

aioca keeps a context of its own, so a reading made here does not depend on the one that the monitors use.
That context would print each lost connection to standard error: it gets our handlers instead.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aioca
import numpy as np

from backend.src.infra.epics import dbr
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.ca_thread import install_handlers
from backend.src.infra.epics.frame import PvValue, ValueType
from backend.src.infra.epics.outcomes import ReadFailed, Reading

MOST_CHANNELS = 500
UNDECODABLE = "\ufffd"  # what aioca makes of bytes that are not UTF-8


class SingleReads:
    """Reads through aioca, and closes what it keeps open: a channel for each name ever read, be it there or not."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._under_way = 0

    async def read(self, address: PvAddress, timeout_s: float) -> Reading | ReadFailed:
        """One get of the value and one of the metadata."""
        self._names.add(address.name)
        self._under_way += 1
        try:
            return await _read(address, timeout_s)
        finally:
            self._under_way -= 1
            if not self._under_way and len(self._names) > MOST_CHANNELS:  # a read under way would fail
                self.close()

    def close(self) -> None:
        """Closes every channel."""
        aioca.purge_channel_caches()
        self._names.clear()


async def _read(address: PvAddress, timeout_s: float) -> Reading | ReadFailed:
    long_string = address.name.endswith("$")
    kind = aioca.DBR_CHAR_STR if long_string else None
    value, control = await asyncio.gather(
        aioca.caget(address.name, datatype=kind, format=aioca.FORMAT_TIME, timeout=timeout_s, throw=False),
        aioca.caget(address.name, format=aioca.FORMAT_CTRL, count=1, timeout=timeout_s, throw=False),
    )
    install_handlers()  # into the context of this thread, which is aioca's
    if not value.ok:
        return ReadFailed(address, str(value))
    return _reading(address, value, control if control.ok else None, long_string=long_string)


def _reading(address: PvAddress, value: Any, control: Any, *, long_string: bool) -> Reading:
    kind = ValueType.LONG_STRING if long_string else dbr.VALUE_TYPES[value.datatype]
    array = value.element_count > 1 and not long_string
    seconds, nanoseconds = value.raw_stamp
    return Reading(
        address,
        _plain(value, kind, array=array),
        kind,
        array,
        seconds * 1_000_000_000 + nanoseconds if (seconds, nanoseconds) != (dbr.EPOCH_S, 0) else 0,
        int(value.status),
        int(value.severity),
        getattr(control, "units", ""),
        getattr(control, "precision", None),
        tuple(getattr(control, "enums", ())),
    )


def _plain(value: Any, kind: ValueType, *, array: bool) -> PvValue:
    if array:
        items = np.atleast_1d(np.asarray(value))
        return [str(item) for item in items.tolist()] if kind is ValueType.STRING else items
    if kind in (ValueType.STRING, ValueType.LONG_STRING):
        return str(value)
    return float(value) if kind in (ValueType.DOUBLE, ValueType.FLOAT) else int(value)


def holds_undecodable(reading: Reading | ReadFailed) -> bool:
    """Whether aioca replaced bytes that it could not decode."""
    if isinstance(reading, ReadFailed):
        return False
    texts = reading.value if isinstance(reading.value, list) else [reading.value]
    return any(isinstance(text, str) and UNDECODABLE in text for text in texts)
