"""Writing a list and reading it again changes nothing, whatever the texts hold."""

from __future__ import annotations

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.services.catalog import Outcome, PvDraft
from backend.src.services.catalog.csv_export import write_list
from backend.src.services.catalog.csv_list import read_list
from backend.src.services.catalog.drafts import checked
from backend.src.services.catalog.importing import plan
from tests.unit.services.catalog.inventories import Named, inventory_of

_tricky = st.sampled_from(
    ["none", "NaN", '"none"', '""nan""', "a,b", '"', '""', 'say "hi", you', "@config", "Device", "device", "@tag:x",
     "two\nlines", "two\r\nlines", "\r", "a\tb", "=1+1", "\u00e9\U0001f600", "\ufeffx", ";", "x" * 255,
     "'", "#", "\x1c"]
)  # fmt: skip
_any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
# as everything that is kept: trimmed, and something left
_texts = (_tricky | _any_text).map(str.strip).filter(bool)
_names = st.text("ABab:.{}[]$<>%_-,\"'\u00e9", min_size=1, max_size=6) | st.sampled_from(["nan", "None", "Setpoint"])
_addresses = st.builds(PvAddress, st.sampled_from(Protocol), _names)
_tolerances = st.floats(0, allow_infinity=False, allow_nan=False)
_drafts = st.builds(
    PvDraft,
    setpoint=st.none() | _addresses,
    readback=st.none() | _addresses,
    config=st.none() | _addresses,
    device=st.none() | _texts,
    description=st.none() | _texts,
    abs_tolerance=_tolerances,
    rel_tolerance=_tolerances,
    read_only=st.booleans(),
).filter(lambda draft: draft.address is not None)
_tags = st.sets(st.tuples(_texts, _texts), max_size=4)
_catalogues = st.lists(
    st.tuples(_drafts.map(checked), _tags),
    max_size=5,
    unique_by=lambda pv: (pv[0].setpoint is None, pv[0].setpoint is None and pv[0].readback is None, pv[0].address),
)


@settings(max_examples=400, deadline=None)
@given(_catalogues, st.sampled_from(Protocol))
def test_importing_an_export_changes_nothing(
    pvs: list[tuple[PvDraft, set[tuple[str, str]]]], default: Protocol
) -> None:
    inventory = inventory_of(pvs, default)
    content = "".join(write_list(inventory))
    again = plan(read_list(content.encode(), default), inventory)
    assert [step.report for step in again.steps if step.report.outcome is not Outcome.UNCHANGED] == []
    assert len(again.steps) == len(pvs)
    fresh = plan(read_list(content, default), inventory_of([], default))
    assert inventory_of([(step.draft, step.tags) for step in fresh.steps], default).tags == inventory.tags
    made = sorted((step.draft for step in fresh.steps), key=repr)
    assert made == sorted((draft for draft, _ in pvs), key=repr)


@settings(max_examples=100, deadline=None)
@given(_catalogues)
def test_any_reader_of_csv_sees_as_many_cells_in_each_row(pvs: list[tuple[PvDraft, set[tuple[str, str]]]]) -> None:
    content = "".join(write_list(inventory_of(pvs)))
    header, *rows = csv.reader(io.StringIO(content, newline=""), strict=True)
    assert len(rows) == len(pvs)
    assert all(len(row) == len(header) for row in rows)


def test_an_ordinary_list_is_an_ordinary_file() -> None:
    pvs = [
        (
            PvDraft(PvAddress(Protocol.CA, "B"), PvAddress(Protocol.PVA, "R")),
            [("Region", "Cu Linac"), ("Area", "LI21")],
        ),
        (PvDraft(PvAddress(Protocol.CA, "A"), description="x, y"), [("Area", "b"), ("Area", "a")]),
    ]
    assert "".join(write_list(inventory_of(pvs))) == (
        "Setpoint,Readback,Description,Area,Region\n"
        'A,,"x, y","a,b",\n'
        "B,pva://R,,LI21,Cu Linac\n"
    )  # fmt: skip


def test_an_empty_catalogue_is_a_header() -> None:
    assert "".join(write_list(inventory_of([]))) == "Setpoint,Readback\n"


def test_a_long_list_comes_in_portions() -> None:
    no_tags: list[Named] = []
    pvs = [(PvDraft(PvAddress(Protocol.CA, f"P{number}")), no_tags) for number in range(2_500)]
    assert len(list(write_list(inventory_of(pvs)))) == 4
