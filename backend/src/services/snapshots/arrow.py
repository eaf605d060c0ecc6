"""The few pieces of Arrow that archives are made of; its types enter here and are not checked further."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Column = Any  # a pyarrow.Array
Kind = Any  # a pyarrow.DataType
Mask = npt.NDArray[np.bool_]

WORD: Kind = pa.dictionary(pa.int8(), pa.string())
SHARED_TEXT: Kind = pa.dictionary(pa.int32(), pa.string())


def column(values: Any, kind: Kind = None, *, absent: Mask | None = None) -> Column:
    """An Arrow array, null where absent. NaN stays NaN: Arrow would take it for null, given a mask."""
    return pa.array(values, kind, mask=absent, from_pandas=False)


def indexed(codes: npt.NDArray[Any], words: list[str], *, absent: Mask | None = None) -> Column:
    """words[codes], kept as codes and words."""
    indices: Any = column(np.ascontiguousarray(codes), absent=absent)
    return pa.DictionaryArray.from_arrays(indices, column(words, pa.string()))


def spread(n: int, rows: npt.NDArray[np.int64], packed: Column) -> Column:
    """n rows: the packed values at `rows`, null elsewhere."""
    positions = np.zeros(n, np.int64)
    positions[rows] = np.arange(len(rows))
    absent = np.ones(n, np.bool_)
    absent[rows] = False
    return packed.take(column(positions, absent=absent))


def bools(values: Column) -> Mask:
    """A column of booleans without nulls as bool[n]."""
    mask: Mask = values.to_numpy(zero_copy_only=False)
    return mask


def texts(values: Column) -> list[Any]:
    """A column of text as Python texts, None for null; several times faster than to_pylist."""
    found: list[Any] = values.to_numpy(zero_copy_only=False).tolist()
    return found


def distinct_lists(flat: npt.NDArray[Any], lengths: npt.NDArray[Any]) -> tuple[list[list[Any]], list[int]]:
    """The different lists among consecutive stretches of `flat`, and which of them each stretch is."""
    raw, width = flat.tobytes(), flat.itemsize
    ends = (np.cumsum(lengths, dtype=np.int64) * width).tolist()
    numbers: dict[bytes, int] = {}
    codes = [numbers.setdefault(raw[start:end], len(numbers)) for start, end in zip([0, *ends], ends, strict=False)]
    return [np.frombuffer(stretch, flat.dtype).tolist() for stretch in numbers], codes


class Columns(Protocol):
    """Columns by name, each in one piece."""

    def column(self, name: str) -> Column:
        """One column. Raises KeyError."""


class Whole:
    """A table whose columns come in one piece, whatever row groups its writer made."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def column(self, name: str) -> Column:
        """One column. Raises KeyError."""
        return self._table.column(name).combine_chunks()
