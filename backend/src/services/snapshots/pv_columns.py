"""What the catalogue said of each PV, as Parquet columns repeated for each of its channels, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from backend.src.services.catalog.models import TagRef
from backend.src.services.snapshots.arrow import (
    SHARED_TEXT,
    Column,
    Columns,
    Kind,
    bools,
    column,
    distinct_lists,
    texts,
)
from backend.src.services.snapshots.capture import Ints, PvColumns, pick

TAG = pa.struct([("id", pa.int64()), ("name", pa.string()), ("group_id", pa.int64()), ("group_name", pa.string())])

FIELDS: tuple[tuple[str, Kind], ...] = (
    ("pv_id", pa.int64()),
    ("pv_name", pa.string()),
    ("device", SHARED_TEXT),
    ("description", SHARED_TEXT),
    ("abs_tolerance", pa.float64()),
    ("rel_tolerance", pa.float64()),
    ("read_only", pa.bool_()),
    ("tags", pa.list_(TAG)),
)


def encode(pvs: PvColumns, pv_row: Ints) -> dict[str, Column]:
    """The columns of len(pv_row) channels."""
    rows = column(pv_row)
    return {
        "pv_id": column(pvs.ids[pv_row]),
        "pv_name": column(pvs.names, pa.string()).take(rows),
        "device": column(pvs.devices, pa.string()).dictionary_encode().take(rows),
        "description": column(pvs.descriptions, pa.string()).dictionary_encode().take(rows),
        "abs_tolerance": column(pvs.abs_tolerance[pv_row]),
        "rel_tolerance": column(pvs.rel_tolerance[pv_row]),
        "read_only": column(pvs.read_only[pv_row]),
        "tags": _encode_tags(pick(pvs.tags, pv_row)),
    }


def _encode_tags(tags: list[tuple[TagRef, ...]]) -> Column:
    """Each distinct set of tags is built once; most PVs share the very tuple of another."""
    number_of: dict[tuple[int, ...], int] = {}
    seen: dict[int, int] = {}  # id() of a tuple that `tags` keeps alive
    distinct: list[list[dict[str, Any]]] = []
    codes = np.empty(len(tags), np.int64)
    for row, refs in enumerate(tags):
        code = seen.get(id(refs))
        if code is None:
            code = seen[id(refs)] = number_of.setdefault(tuple([ref.id for ref in refs]), len(distinct))
            if code == len(distinct):
                distinct.append([_tag_row(ref) for ref in refs])
        codes[row] = code
    return column(distinct, pa.list_(TAG)).take(column(codes))


def _tag_row(ref: TagRef) -> dict[str, Any]:
    return {"id": ref.id, "name": ref.name, "group_id": ref.group_id, "group_name": ref.group_name}


def decode(table: Columns) -> tuple[PvColumns, Ints]:
    """The PVs and, for each row, which of them it belongs to."""
    ids: Ints = table.column("pv_id").to_numpy()
    first = np.ones(len(ids), np.bool_)
    first[1:] = ids[1:] != ids[:-1]  # the channels of a PV follow each other
    heads = column(np.flatnonzero(first))
    pvs = PvColumns(
        ids=ids[first],
        names=texts(table.column("pv_name").take(heads)),
        devices=texts(table.column("device").take(heads)),
        descriptions=texts(table.column("description").take(heads)),
        abs_tolerance=table.column("abs_tolerance").to_numpy()[first],
        rel_tolerance=table.column("rel_tolerance").to_numpy()[first],
        read_only=bools(table.column("read_only"))[first],
        tags=_decode_tags(table.column("tags").take(heads)),
    )
    return pvs, np.cumsum(first) - 1


def _decode_tags(found: Column) -> list[tuple[TagRef, ...]]:
    parts = found.flatten()
    ids = parts.field("id").to_numpy()
    _, first = np.unique(ids, return_index=True)
    tags = parts.take(column(first)).to_pylist()
    known = {tag["id"]: TagRef(tag["id"], tag["name"], tag["group_id"], tag["group_name"]) for tag in tags}
    sets, codes = distinct_lists(ids, found.value_lengths().to_numpy())
    refs = [tuple([known[tag] for tag in chosen]) for chosen in sets]
    return [refs[code] for code in codes]
