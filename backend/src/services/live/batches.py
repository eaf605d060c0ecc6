"""Part of a live table as bytes, for another process's copy of it.

Layout: a length (4 bytes, little-endian), a JSON header of that length, then the columns one after the other.
JSON in ASCII keeps text that is not UTF-8 (surrogate escapes) exactly.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.frame import META, ROW, Interned, PvValue
from backend.src.infra.epics.outcomes import Changes
from backend.src.services.live.table import Mask

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who published it and when. number: counts an epoch's messages; flushed: the message that the blocks include."""

    epoch: int
    number: int
    flushed: int
    blocks: int
    beat_ns: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes with their stamp; suspect: bool[k], aligned with the changes' slots."""

    stamp: Stamp
    changes: Changes
    suspect: Mask


def encode(batch: Batch) -> bytes:
    """The bytes of a batch; only the texts that its metadata uses travel."""
    changes = batch.changes
    meta = changes.meta.copy()
    units, meta["units"] = np.unique(changes.meta["units"], return_inverse=True)
    choices, meta["choices"] = np.unique(changes.meta["choices"], return_inverse=True)
    texts, arrays = _split(changes.objects)
    columns = [changes.slots.astype(np.int32), changes.rows, batch.suspect, changes.meta_slots.astype(np.int32), meta]
    stamp = batch.stamp
    header = {
        "stamp": [stamp.epoch, stamp.number, stamp.flushed, stamp.blocks, stamp.beat_ns],
        "rows": len(changes.slots),
        "meta": len(changes.meta_slots),
        "units": [changes.units[index] for index in units.tolist()],
        "choices": [changes.choices[index] for index in choices.tolist()],
        "texts": texts,
        "arrays": [[slot, array.dtype.str, len(array)] for slot, array in arrays],
    }
    encoded = json.dumps(header).encode("ascii")
    parts = [column.tobytes() for column in (*columns, *(array for _, array in arrays))]
    return b"".join((_LENGTH.pack(len(encoded)), encoded, *parts))


def decode(data: bytes) -> Batch:
    """The inverse of encode."""
    (length,) = _LENGTH.unpack_from(data)
    header: dict[str, Any] = json.loads(data[_LENGTH.size : _LENGTH.size + length])
    columns = _Columns(data, _LENGTH.size + length)
    slots, rows = columns.take("<i4", header["rows"]), columns.take(ROW, header["rows"])
    suspect = columns.take("?", header["rows"])
    meta_slots, meta = columns.take("<i4", header["meta"]), columns.take(META, header["meta"])
    interned = Interned(units=header["units"], choices=[tuple(labels) for labels in header["choices"]])
    objects: dict[int, PvValue] = dict(header["texts"])
    objects.update({slot: columns.take(dtype, count) for slot, dtype, count in header["arrays"]})
    return Batch(Stamp(*header["stamp"]), Changes(slots, rows, objects, meta_slots, meta, interned), suspect)


def _split(objects: dict[int, PvValue]) -> tuple[list[list[Any]], list[tuple[int, npt.NDArray[Any]]]]:
    texts, arrays = [], []
    for slot, value in objects.items():
        if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            arrays.append((slot, value))
        else:
            texts.append([slot, value.tolist() if isinstance(value, np.ndarray) else value])
    return texts, arrays


class _Columns:
    """Reads one column after the other."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data = data
        self._offset = offset

    def take(self, dtype: npt.DTypeLike, count: int) -> Any:
        kind = np.dtype(dtype)
        column = np.frombuffer(self._data, kind, count, self._offset).copy()
        self._offset += column.nbytes
        return column
