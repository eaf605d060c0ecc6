"""Which channels a snapshot holds, as packed bits: 50,000 of them take a few hundred bytes once compressed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt


def pack(slots: npt.ArrayLike) -> bytes:
    """The set of these slots."""
    asked = np.asarray(slots, np.int64)
    bits = np.zeros(int(asked.max(initial=0)) + 1, np.bool_)
    bits[asked] = True
    return zlib.compress(np.packbits(bits).tobytes(), 1)


def holds_any(packed: bytes, slots: Iterable[int]) -> bool:
    """Whether one of the slots is in the set."""
    bits = zlib.decompress(packed)
    return any(slot >> 3 < len(bits) and bits[slot >> 3] & (0x80 >> (slot & 7)) for slot in slots)
