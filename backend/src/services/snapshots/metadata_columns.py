"""Units, precision, limits and enum labels as Parquet columns, and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backend.src.infra.epics.frame import LIMITS, Flag, Frame, Interned, Rows, ValueType
from backend.src.services.snapshots.arrow import (
    SHARED_TEXT,
    Column,
    Columns,
    Kind,
    Mask,
    bools,
    column,
    distinct_lists,
    indexed,
)  # fmt: skip
from backend.src.services.snapshots.value_columns import to_bytes

FIELDS: tuple[tuple[str, Kind], ...] = (
    ("enum_label", SHARED_TEXT),
    ("enum_choices", pa.list_(pa.string())),
    ("units", SHARED_TEXT),
    ("precision", pa.int16()),
    *((f"limit_{name}", pa.float64()) for name in LIMITS),
)


def encode(frame: Frame) -> dict[str, Column]:
    """The metadata columns of n readings; all null where metadata was never read."""
    meta, known = frame.meta, (frame.rows["flags"] & Flag.METADATA) != 0
    columns = {
        "enum_label": label_column(frame),
        "enum_choices": _encode_choices(frame.interned, meta["choices"]),
        "units": indexed(meta["units"], [*map(_printable, frame.interned.units)], absent=~known),
        "precision": column(meta["precision"], absent=~known | (meta["precision"] < 0)),
    }
    for position, name in enumerate(LIMITS):
        limit = np.ascontiguousarray(meta["limits"][:, position])
        columns[f"limit_{name}"] = column(limit, absent=~known | np.isnan(limit))
    return columns


def _printable(text: str) -> str:
    """Units and labels that are no UTF-8 are old databases' Latin-1, such as \xb0C; values are never touched."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return to_bytes(text).decode("latin-1")
    return text


def label_column(frame: Frame) -> Column:
    """The label of each scalar enum, null for all else."""
    rows, choices = frame.rows, frame.meta["choices"]
    widths = np.array([len(labels) for labels in frame.interned.choices], np.int64)
    bases = np.cumsum(widths) - widths
    scalar = (rows["type"] == ValueType.ENUM) & ((rows["flags"] & (Flag.ARRAY | Flag.OBJECT)) == 0)
    index = np.ascontiguousarray(rows["value"]).view(np.int64)
    labelled = scalar & (index >= 0) & (index < widths[choices])
    codes = np.where(labelled, bases[choices] + index, 0).astype(np.int32)
    labels = [_printable(label) for labels in frame.interned.choices for label in labels]
    unique = list(dict.fromkeys(labels))
    number = {label: code for code, label in enumerate(unique)}
    renumbered = np.array([number[label] for label in labels] or [0], np.int32)[codes]
    return indexed(renumbered, unique, absent=~labelled)


def _encode_choices(interned: Interned, choices: npt.NDArray[np.int32]) -> Column:
    used, inverse = np.unique(choices, return_inverse=True)
    lists = column([[*map(_printable, interned.choices[index])] for index in used.tolist()], pa.list_(pa.string()))
    return lists.take(column(inverse, absent=choices == 0))


def decode(table: Columns, rows: Rows, meta: Rows) -> Interned:
    """Fills meta and the METADATA flag of n rows; gives the texts that it points to."""
    interned = Interned()
    meta["units"], known = _decode_units(table.column("units"), interned)
    rows["flags"][known] |= np.uint8(Flag.METADATA)
    meta["precision"] = table.column("precision").fill_null(-1).to_numpy()
    for position, name in enumerate(LIMITS):
        meta["limits"][:, position] = table.column(f"limit_{name}").fill_null(np.nan).to_numpy()
    _decode_choices(table.column("enum_choices"), meta, interned)
    return interned


def _decode_units(found: Column, interned: Interned) -> tuple[npt.NDArray[np.int32], Mask]:
    codes = np.array([interned.unit(text) for text in found.dictionary.to_pylist()] or [0], np.int32)
    known = bools(found.is_valid())
    return np.where(known, codes[found.indices.fill_null(0).to_numpy()], 0).astype(np.int32), known


def _decode_choices(found: Column, meta: Rows, interned: Interned) -> None:
    present = np.flatnonzero(bools(found.is_valid()))
    packed = found.drop_null()
    coded = packed.flatten().dictionary_encode()
    labels = coded.dictionary.to_pylist()
    lists, codes = distinct_lists(coded.indices.to_numpy(), packed.value_lengths().to_numpy())
    numbers = [interned.choice(tuple(labels[code] for code in chosen)) for chosen in lists]
    meta["choices"][present] = np.array(numbers or [0], np.int32)[codes] if len(present) else 0
