"""Snapshot archives: one self-contained Parquet file a snapshot, schema version 1 (docs/reference/archive-format.md).

One row per channel of a PV. Reading gives back what was written, bit for bit.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from backend.src.infra.epics.frame import Flag, Frame, ValueType, empty_meta, empty_rows
from backend.src.services.snapshots import metadata_columns, pv_columns, value_columns
from backend.src.services.snapshots.arrow import WORD, Column, Kind, Whole, bools, column, indexed, texts
from backend.src.services.snapshots.capture import NS_PER_S, Capture, Header, Role, Source
from backend.src.services.snapshots.errors import ArchiveDamaged

FORMAT = "larder-snapshot"
VERSION = 1
CONTENT_TYPE = "application/vnd.apache.parquet"

_CHANNEL_FIELDS: tuple[tuple[str, Kind], ...] = (
    ("role", WORD),
    ("address", pa.string()),
    ("type", WORD),
    ("is_array", pa.bool_()),
    ("connected", pa.bool_()),
    ("writable", pa.bool_()),
    ("stale", pa.bool_()),
    ("source", WORD),
    ("status", pa.uint16()),
    ("severity", pa.uint8()),
    ("time_ns", pa.int64()),
    ("age_s", pa.float64()),
)
SCHEMA = pa.schema([*pv_columns.FIELDS, *_CHANNEL_FIELDS, *value_columns.FIELDS, *metadata_columns.FIELDS])

_ROLES = [role.label for role in Role]
_SOURCES = [source.label for source in Source]
_TYPES = [kind.label for kind in ValueType]
# Where values repeat a dictionary pays; elsewhere building one only costs time.
_PLAIN = {"pv_id", "pv_name", "address", "time_ns", "age_s", "value_doubles", "value_int64s", "value_uint64s"}
_SEARCHED: Any = ["pv_id", "pv_name", "address"]
_REPEATING: Any = [name for name in SCHEMA.names if name not in _PLAIN]


def write(capture: Capture) -> bytes:
    """The archive as a Parquet file. Heavy on the processor: call it off the event loop."""
    columns = encode(capture)
    schema = SCHEMA.with_metadata({"larder": json.dumps(_describe(capture.header))})
    table = pa.Table.from_arrays([columns[name] for name in SCHEMA.names], schema=schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=_REPEATING, write_statistics=_SEARCHED)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def encode(capture: Capture) -> dict[str, Column]:
    """Every column of the schema, by name."""
    return {
        **pv_columns.encode(capture.pvs, capture.pv_row),
        **_encode_channels(capture),
        **value_columns.encode(capture.frame),
        **metadata_columns.encode(capture.frame),
    }


def _encode_channels(capture: Capture) -> dict[str, Column]:
    rows, flags = capture.frame.rows, capture.frame.rows["flags"]
    return {
        "role": indexed(capture.roles.astype(np.int8), _ROLES),
        "address": column(capture.addresses, pa.string()),
        "type": indexed(rows["type"].astype(np.int8), _TYPES),
        "is_array": column((flags & Flag.ARRAY) != 0),
        "connected": column(capture.connected),
        "writable": column((flags & Flag.WRITABLE) != 0),
        "stale": column(capture.stale),
        "source": indexed(capture.sources.astype(np.int8), _SOURCES),
        "status": column(np.ascontiguousarray(rows["status"])),
        "severity": column(np.ascontiguousarray(rows["severity"])),
        "time_ns": _moments(rows["time_ns"]),
        "age_s": column(capture.age_s, absent=rows["received_ns"] == 0),
    }


def _moments(ns: npt.NDArray[np.int64]) -> Column:
    return column(np.ascontiguousarray(ns), absent=ns == 0)


def _describe(header: Header) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": header.title,
        "created": header.created_at.isoformat(),
        "createdNs": header.created_ns,
        "source": header.source.label,
        "machine": header.machine,
    }


def read(content: bytes, name: str, *, address: str | None = None) -> Capture:
    """What `write` was given, or only the rows of one address. `name` is for errors. Raises ArchiveDamaged."""
    wanted: Any = None if address is None else [("address", "=", address)]
    try:
        table = pq.read_table(pa.BufferReader(content), filters=wanted)
        header = _read_header(table.schema.metadata or {}, name)
        return _decode(Whole(table), header)
    except (pa.ArrowException, OSError, LookupError, ValueError) as exc:
        raise ArchiveDamaged(name, str(exc)) from exc


def _read_header(metadata: dict[bytes, bytes], name: str) -> Header:
    described = json.loads(metadata.get(b"larder", b"{}"))
    if described.get("format") != FORMAT:
        raise ArchiveDamaged(name, "it is no Larder snapshot")
    if described["version"] != VERSION:
        raise ArchiveDamaged(name, f"it has version {described['version']}, this Larder reads version {VERSION}")
    return Header(
        title=described["title"],
        created_at=datetime.fromisoformat(described["created"]),
        created_ns=described["createdNs"],
        source=Source(_SOURCES.index(described["source"])),
        machine=described["machine"],
    )


def _decode(table: Whole, header: Header) -> Capture:
    pvs, pv_row = pv_columns.decode(table)
    return Capture(
        header=header,
        pvs=pvs,
        pv_row=pv_row,
        roles=_codes(table.column("role"), _ROLES),
        addresses=texts(table.column("address")),
        sources=_codes(table.column("source"), _SOURCES),
        stale=bools(table.column("stale")),
        frame=_decode_frame(table, header.created_ns),
    )


def _decode_frame(table: Whole, created_ns: int) -> Frame:
    kinds = _codes(table.column("type"), _TYPES)
    rows, meta = empty_rows(len(kinds)), empty_meta(len(kinds))
    rows["type"] = kinds
    for name in ("status", "severity"):
        rows[name] = table.column(name).to_numpy()
    rows["time_ns"] = table.column("time_ns").fill_null(0).to_numpy()
    rows["received_ns"] = _received_ns(table.column("age_s"), created_ns)
    for name, flag in (("connected", Flag.CONNECTED), ("is_array", Flag.ARRAY), ("writable", Flag.WRITABLE)):
        rows["flags"][bools(table.column(name))] |= np.uint8(flag)
    objects = value_columns.decode(table, rows)
    return Frame(rows, meta, objects, metadata_columns.decode(table, rows, meta))


def _received_ns(age_s: Column, created_ns: int) -> npt.NDArray[np.int64]:
    ages_ns = np.rint(age_s.fill_null(0.0).to_numpy() * NS_PER_S).astype(np.int64)
    return np.where(bools(age_s.is_valid()), created_ns - ages_ns, 0)


def _codes(found: Column, words: list[str]) -> npt.NDArray[np.uint8]:
    known = np.array([words.index(word) for word in found.dictionary.to_pylist()], np.uint8)
    codes: npt.NDArray[np.uint8] = known[found.indices.to_numpy()]
    return codes
