"""The Squirrel PV list (CSV), both ways.

Header `Setpoint,Readback[,Device][,Description],<any other column = a tag group>`. What that format has no place
for stands in columns of ours, written only when some PV needs them: `@config`, `@absTolerance`, `@relTolerance`,
`@readOnly`. A tag group that is called like a column, or begins with @, is written `@tag:NAME`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never, cast

from backend.src.core.errors import FieldError, Invalid
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.services.catalog.csv_cells import read_tags, read_text
from backend.src.services.catalog.drafts import MAX_DESCRIPTION, MAX_NAME, optional_text, required_name, tolerance
from backend.src.services.catalog.models import PvChanges

TAG_PREFIX = "@tag:"
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Column(StrEnum):
    """The columns that are not tag groups, as the header writes them."""

    SETPOINT = "Setpoint"
    READBACK = "Readback"
    DEVICE = "Device"
    DESCRIPTION = "Description"
    CONFIG = "@config"
    ABS_TOLERANCE = "@absTolerance"
    REL_TOLERANCE = "@relTolerance"
    READ_ONLY = "@readOnly"


Tags = frozenset[tuple[str, str]]  # group and tag

_ADDRESSES = (Column.SETPOINT, Column.READBACK, Column.CONFIG)
_BY_NAME = {column.casefold(): column for column in Column}


@dataclass(frozen=True, slots=True)
class ListedPv:
    """A row that makes sense: new values for the columns that the file has, and its tags."""

    line: int
    address: PvAddress
    changes: PvChanges
    tags: Tags


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that does not, and why."""

    line: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class PvList:
    """A file: its rows in order, and the tag groups that it has columns for."""

    rows: Sequence[ListedPv | RejectedRow]
    groups: frozenset[str]


def read_list(content: bytes | str, default: Protocol) -> PvList:
    """Reads a file. Raises Invalid, naming the line, when it is no such list."""
    records = _records(_decoded(content))
    header = _header(next(records, None))
    reader = _RowReader(header, default)
    rows = [reader.read(line, cells) for line, cells in records if any(map(str.strip, cells))]
    return PvList(rows, frozenset(header.groups))


def header_name(group: str) -> str:
    """How the header calls a tag group."""
    return TAG_PREFIX + group if group.startswith("@") or group.casefold() in _BY_NAME else group


def _decoded(content: bytes | str) -> str:
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _damaged(1, "the file is UTF-16", remedy="save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise _damaged(line, f"byte 0x{content[exc.start]:02x} is not UTF-8", remedy="save the file as UTF-8") from exc


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as exc:
        raise _damaged(line, f"damaged quoting, {exc}", remedy='write a " within a quoted cell as ""') from exc


@dataclass(frozen=True, slots=True)
class _Header:
    """Where things stand in a row: position by column, and by tag group."""

    columns: Mapping[Column, int]
    groups: Mapping[str, int]
    width: int


def _header(record: tuple[int, list[str]] | None) -> _Header:
    names = [name.strip() for name in record[1]] if record else []
    if not any(names):
        raise _damaged(1, "the file is empty" if record is None else "the header is empty", remedy=_EXPECTED)
    columns: dict[Column, int] = {}
    groups: dict[str, int] = {}
    for position, name in enumerate(names):
        if column := _BY_NAME.get(name.casefold()):
            _check_new(column, columns)
            columns[column] = position
        elif name:
            group = _group(name)
            _check_new(group, groups)
            groups[group] = position
    if not columns.keys() & {Column.SETPOINT, Column.READBACK}:
        raise _damaged(1, f"unknown header {','.join(names)[:200]!r}", remedy=_separator_remedy(names))
    return _Header(columns, groups, len(names))


def _group(name: str) -> str:
    if name.startswith("@") and not name.casefold().startswith(TAG_PREFIX):
        raise _damaged(1, f"unknown column {name!r}", remedy=f"write a tag group of this name as {TAG_PREFIX}{name}")
    try:
        return required_name(name[len(TAG_PREFIX) :] if name.startswith("@") else name)
    except Invalid as exc:
        raise _damaged(1, f"tag group {name[:40]!r}, {exc.message}") from exc


def _check_new(name: str, seen: Container[str]) -> None:
    if name in seen:
        raise _damaged(1, f"column {str(name)!r} is there twice")


def _separator_remedy(names: Sequence[str]) -> str:
    other = next((sign for sign in (";", "\t") if sign in names[0]), None)
    return f"part the columns by commas, not by {other!r}" if other else _EXPECTED


class _RowReader:
    """Reads the rows below one header; remembers what was there, for a PV may stand in a list once."""

    def __init__(self, header: _Header, default: Protocol) -> None:
        self._default = default
        self._width = header.width
        self._named = {*header.columns.values(), *header.groups.values()}
        self._fields = [(position, *self._field(column)) for column, position in header.columns.items()]
        self._groups = list(header.groups.items())
        self._names = [header.columns[column] for column in _ADDRESSES if column in header.columns]
        self._tags: dict[tuple[str, ...], Tags] = {}
        self._lines: dict[tuple[str, PvAddress], int] = {}

    def read(self, line: int, cells: list[str]) -> ListedPv | RejectedRow:
        """One row that is not blank."""
        try:
            return self._listed(line, cells)
        except Invalid as exc:
            texts = (read_text(cells[place]) for place in self._names if place < len(cells))
            return RejectedRow(line, next(filter(None, texts), ""), exc.message)

    def _listed(self, line: int, cells: list[str]) -> ListedPv:
        self._check_width(cells)
        changes = cast(PvChanges, {field: read(read_text(cells[place])) for place, field, read in self._fields})
        part, address = self._identity(changes)
        first = self._lines.setdefault((part, address), line)
        if first != line:
            raise Invalid(f"the same PV as in line {first}")
        return ListedPv(line, address, changes, self._tags_of(cells))

    def _identity(self, changes: PvChanges) -> tuple[str, PvAddress]:
        if address := changes.get("setpoint"):
            return "setpoint", address
        if address := changes.get("readback"):
            return "readback", address
        if address := changes.get("config"):
            return "config", address
        raise Invalid("neither a setpoint nor a readback")

    def _check_width(self, cells: list[str]) -> None:
        if len(cells) < self._width:
            raise Invalid(f"{len(cells)} cells, but the header has {self._width}")
        if len(cells) == len(self._named):
            return
        # cells without a header are what spreadsheets leave behind, as long as they are empty
        for position, cell in enumerate(cells):
            if position not in self._named and cell.strip():
                raise Invalid(f"a value in column {position + 1}, which has no name")

    def _tags_of(self, cells: list[str]) -> Tags:
        # many rows carry the same tags: each combination is read once and shared
        key = tuple([cells[position] for _, position in self._groups])
        if key not in self._tags:
            self._tags[key] = frozenset(
                (group, _tag(tag, group))
                for (group, _), cell in zip(self._groups, key, strict=True)
                for tag in read_tags(cell)
            )
        return self._tags[key]

    def _field(self, column: Column) -> tuple[str, Callable[[str | None], object]]:
        """The field of a PV that a column sets, and how its text is read."""
        match column:
            case Column.SETPOINT | Column.READBACK:
                return column.lower(), self._address
            case Column.CONFIG:
                return "config", self._address
            case Column.DEVICE:
                return "device", lambda text: optional_text(text, column, MAX_NAME)
            case Column.DESCRIPTION:
                return "description", lambda text: optional_text(text, column, MAX_DESCRIPTION)
            case Column.ABS_TOLERANCE:
                return "abs_tolerance", lambda text: _number(text, column)
            case Column.REL_TOLERANCE:
                return "rel_tolerance", lambda text: _number(text, column)
            case Column.READ_ONLY:
                return "read_only", lambda text: _boolean(text, column)
            case _:
                assert_never(column)

    def _address(self, text: str | None) -> PvAddress | None:
        return None if text is None else PvAddress.parse(text, self._default)


def _tag(tag: str, group: str) -> str:
    optional_text(tag, group, MAX_NAME)
    return tag


def _number(text: str | None, column: str) -> float:
    if text is None:
        return 0.0
    try:
        return tolerance(float(text), column)
    except ValueError as exc:
        raise Invalid(f"{column}: {text[:40]!r} is not a number") from exc


def _boolean(text: str | None, column: str) -> bool:
    if text is None:
        return False
    if text.casefold() not in BOOLEANS:
        raise Invalid(f"{column}: {text[:40]!r} is neither true nor false")
    return BOOLEANS[text.casefold()]


def _damaged(line: int, message: str, *, remedy: str | None = None) -> Invalid:
    return Invalid(f"line {line}: {message}", errors=[FieldError(("line", line), message)], remedy=remedy)


_EXPECTED = "the first line must be Setpoint,Readback[,Device][,Description][,tag groups...]"
