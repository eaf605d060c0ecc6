"""The Squirrel PV list: what is read, what is refused, and that nothing is lost on the way out and in."""

from __future__ import annotations

import pytest

from backend.src.core.errors import Invalid
from backend.src.infra.epics.address import Protocol
from backend.src.services.catalog.csv_cells import read_tags, read_text
from backend.src.services.catalog.csv_list import ListedPv, RejectedRow, read_list

CA, PVA = Protocol.CA, Protocol.PVA
FROM_THE_SPECIFICATION = """\
Setpoint,Readback,Region,Area,Subsystem
QUAD:LI21:201:BDES,QUAD:LI21:201:BACT,"Cu Linac","LI21","Magnet"
"""


def only(content: str | bytes, default: Protocol = CA) -> ListedPv:
    (row,) = read_list(content, default).rows
    assert isinstance(row, ListedPv), row
    return row


def rejected(content: str | bytes) -> RejectedRow:
    (row,) = read_list(content, CA).rows
    assert isinstance(row, RejectedRow), row
    return row


def test_the_example_of_the_format() -> None:
    row = only(FROM_THE_SPECIFICATION)
    assert (str(row.changes["setpoint"]), str(row.changes["readback"])) == (
        "ca://QUAD:LI21:201:BDES",
        "ca://QUAD:LI21:201:BACT",
    )
    assert row.tags == {("Region", "Cu Linac"), ("Area", "LI21"), ("Subsystem", "Magnet")}
    assert row.line == 2


@pytest.mark.parametrize("word", ["", "  ", "nan", "NaN", "none", "None", '"none"', " nan "])
def test_no_value_is_no_value(word: str) -> None:
    row = only(f"Setpoint,Readback,Device,Description,Area\nA,{word},{word},{word},{word}\n")
    assert row.changes == {"setpoint": row.address, "readback": None, "device": None, "description": None}
    assert row.tags == frozenset()


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("a,b", ("a", "b")),
        (" a , b ,a", ("a", "b")),
        ("a,,none,NaN,b", ("a", "b")),
        ('"a,b",c', ("a,b", "c")),
        ('"none","say ""hi"""', ("none", 'say "hi"')),
        ('5" pipe, "odd', ('5" pipe', '"odd')),
        ('"a"b,c', ('"a"b', "c")),
        ("two\nlines,x", ("two\nlines", "x")),
        ('"two\nlines, both",x', ("two\nlines, both", "x")),
        ('""', ()),
    ],
)
def test_tags_share_a_cell(cell: str, tags: tuple[str, ...]) -> None:
    assert read_tags(cell) == tags


def test_texts_in_quotes_of_their_own_stay_as_they_are() -> None:
    assert [read_text(cell) for cell in ('"hello"', '"none"', '""nan""', '"')] == ['"hello"', "none", '"nan"', '"']


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_endings_and_a_byte_order_mark(ending: str, mark: bytes) -> None:
    text = ending.join(["Setpoint,Area", "A,\u00e9", "", '"B","x', 'y"', "C,z", ""])
    rows = read_list(mark + text.encode(), CA).rows
    assert [row.line for row in rows] == [2, 4, 6]
    assert next(row.tags for row in rows if isinstance(row, ListedPv)) == {("Area", "\u00e9")}


def test_the_header_is_forgiving_about_case_order_and_blanks() -> None:
    row = only(" area , READBACK,setpoint ,,\nx,R,S,,\n")
    assert (str(row.changes["setpoint"]), str(row.changes["readback"])) == ("ca://S", "ca://R")
    assert row.tags == {("area", "x")}


def test_a_bare_name_has_the_default_protocol() -> None:
    assert only("Setpoint\nA\n", PVA).address.protocol is PVA
    assert only("Setpoint\nCA://A\n", PVA).address.protocol is CA


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "the file is empty"),
        (b"\n\n", 1, "the header is empty"),
        (b",,\n", 1, "the header is empty"),
        (b"PV,Area\nA,x\n", 1, "unknown header 'PV,Area'"),
        (b"Setpoint,Area,Area\n", 1, "'Area' is there twice"),
        (b"Setpoint,SETPOINT\n", 1, "'Setpoint' is there twice"),
        (b"Setpoint,@colour\n", 1, "unknown column '@colour'"),
        (b"Setpoint,a\0b\n", 1, "NUL"),
        (b"Setpoint," + b"x" * 300 + b"\n", 1, "longer than 255"),
        (b'Setpoint,Area\nA,"x\nB,y\n', 2, "damaged quoting"),
        (b'Setpoint,Area\nA,x\nB,"y"z\n', 3, "damaged quoting"),
        (b'Setpoint,Area\nA,x\nB,"' + b"y" * 200_000 + b'"\n', 3, "damaged quoting"),
        (b"Setpoint,Area\nA,x\nB,caf\xe9\n", 3, "byte 0xe9 is not UTF-8"),
        ("Setpoint,Area\nA,x\n".encode("utf-16"), 1, "the file is UTF-16"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(content: bytes, line: int, words: str) -> None:
    with pytest.raises(Invalid, match=f"line {line}: ") as caught:
        read_list(content, CA)
    assert words in caught.value.message
    assert caught.value.errors[0].where == ("line", line)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_another_separator_is_named(separator: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_list(f"Setpoint{separator}Readback\nA{separator}B\n", CA)
    assert caught.value.remedy and repr(separator) in caught.value.remedy


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",,x,", "neither a setpoint nor a readback"),
        ("A B,,,", "white space"),
        ("http://A,,,", "unknown protocol"),
        ("ca://,,,", "no name"),
        ("A,,x", "3 cells, but the header has 4"),
        ("A,,x,,stray", "column 5"),
        ("A,,x\0,", "NUL"),
        (f"A,,{'x' * 256},", "longer than 255"),
        (f"A,,,{'x' * 4001}", "longer than 4000"),
    ],
)
def test_a_row_that_makes_no_sense_is_rejected_with_its_reason(row: str, reason: str) -> None:
    assert reason in rejected(f"Setpoint,Readback,Area,Description\n{row}\n").reason


@pytest.mark.parametrize(
    ("cell", "reason"),
    [("much", "'much' is not a number"), ("-1", "zero or more"), ("inf", "finite"), ("1,5", "cells")],
)
def test_tolerances_are_numbers(cell: str, reason: str) -> None:
    if reason == "cells":
        assert "no name" in rejected(f"Setpoint,@absTolerance\nA,{cell}\n").reason
    else:
        assert reason in rejected(f"Setpoint,@absTolerance\nA,{cell}\n").reason
    assert only("Setpoint,@absTolerance\nA,\n").changes["abs_tolerance"] == 0.0


def test_our_own_columns() -> None:
    row = only("Setpoint,@CONFIG,@readonly,@relTolerance,@tag:Device,@tag:@x\n,CFG,Yes,1e-3,one,two\n")
    assert row.changes == {
        "setpoint": None,
        "config": row.address,
        "read_only": True,
        "rel_tolerance": 1e-3,
    }
    assert row.tags == {("Device", "one"), ("@x", "two")}
    assert "neither true nor false" in rejected("Setpoint,@readOnly\nA,maybe\n").reason


def test_a_pv_stands_in_a_list_once() -> None:
    rows = read_list("Setpoint,Readback\nA,R\nB,R\nca://A,\n,A\n,ca://A\npva://A,\n", CA).rows
    assert [(row.line, row.reason) for row in rows if isinstance(row, RejectedRow)] == [
        (4, "the same PV as in line 2"),
        (6, "the same PV as in line 5"),
    ]


def test_names_that_differ_in_case_are_two() -> None:
    rows = read_list("Setpoint,Area,area\na,x,X\nA,x,X\n", CA).rows
    assert [type(row) for row in rows] == [ListedPv, ListedPv]
    assert rows[0].tags == {("Area", "x"), ("area", "X")}  # type: ignore[union-attr]
