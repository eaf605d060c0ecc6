"""Choosing PVs from the columns."""

from __future__ import annotations

import time

import pytest

from backend.src.core.errors import Invalid
from backend.src.infra.epics.address import PvAddress
from backend.src.services.catalog import Inventory, PvDraft, Selection, listing
from tests.unit.services.catalog.inventories import Named, inventory_of


def pv(setpoint: str | None, readback: str | None = None, *tags: Named, **fields: str) -> tuple[PvDraft, list[Named]]:
    addresses = [PvAddress.parse(text) if text else None for text in (setpoint, readback)]
    return PvDraft(addresses[0], addresses[1], device=fields.get("device"), description=fields.get("text")), list(tags)


@pytest.fixture
def inventory() -> Inventory:
    return inventory_of(
        [
            pv("SR:Q1:SP", "SR:Q1:RB", ("Area", "ring"), ("Kind", "magnet"), device="Q1", text="Quad 100%"),
            pv("SR:Q2:SP", "SR:Q2:RB", ("Area", "ring"), ("Area", "north"), device="Q2"),
            pv("LI:[1]:SP", None, ("Area", "linac"), ("Kind", "magnet"), device="Q1"),
            pv(None, "pva://SR:BEAM"),
            pv("sr:q1:sp", "SR:Q1:RB"),
        ]
    )


def chosen(inventory: Inventory, **criteria: object) -> list[str]:
    return [inventory.names[row] for row in inventory.select(Selection(**criteria))]  # type: ignore[arg-type]


def ids(inventory: Inventory) -> dict[str, int]:
    tags = {ref.name: ref.id for ref in inventory.known_tags.values()}
    return tags | {name: group_id for group_id, name in inventory.known_groups.items()}


def test_rows_are_in_name_order(inventory: Inventory) -> None:
    assert inventory.names == ["LI:[1]:SP", "SR:Q1:SP", "SR:Q2:SP", "pva://SR:BEAM", "sr:q1:sp"]
    assert chosen(inventory, pv_ids=(5, 1, 3, 1)) == ["LI:[1]:SP", "SR:Q1:SP", "sr:q1:sp"]


def test_tags_or_within_a_group_and_across(inventory: Inventory) -> None:
    known = ids(inventory)
    area, kind = known["Area"], known["Kind"]
    assert chosen(inventory, tag_filters={area: (known["ring"], known["linac"])}) == [
        "LI:[1]:SP",
        "SR:Q1:SP",
        "SR:Q2:SP",
    ]
    assert chosen(inventory, tag_filters={area: (known["ring"],), kind: (known["magnet"],)}) == ["SR:Q1:SP"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("SR:Q?:SP", ["SR:Q1:SP", "SR:Q2:SP"]),
        ("*:RB", ["SR:Q1:SP", "SR:Q2:SP", "sr:q1:sp"]),
        ("LI:[1]:SP", ["LI:[1]:SP"]),
        ("pva://SR:*", ["pva://SR:BEAM"]),
        ("*", ["LI:[1]:SP", "SR:Q1:SP", "SR:Q2:SP", "pva://SR:BEAM", "sr:q1:sp"]),
    ],
)
def test_patterns_match_whole_addresses_with_case(inventory: Inventory, pattern: str, expected: list[str]) -> None:
    assert chosen(inventory, pattern=pattern) == expected


@pytest.mark.parametrize("pattern", ["SR:Q1", "Q1", "LI:1:SP", "SR:BEAM", "%", "SR.Q1.SP"])
def test_patterns_match_nothing_else(inventory: Inventory, pattern: str) -> None:
    with pytest.raises(Invalid, match="holds no PV"):
        inventory.select(Selection(pattern=pattern))


def test_criteria_narrow_each_other(inventory: Inventory) -> None:
    known = ids(inventory)
    ring = {known["Area"]: (known["ring"],)}
    assert chosen(inventory, pattern="*:RB", tag_filters=ring, pv_ids=(2, 3)) == ["SR:Q2:SP"]


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(pv_ids=()),
        Selection(tag_filters={}),
        Selection(pattern=""),
        Selection(pattern="  "),
        Selection(pv_ids=(), pattern="*"),
        Selection(everything=True, pattern="*"),
        Selection(pv_ids=(99,)),
        Selection(tag_filters={77: (100,)}),
    ],
)
def test_what_names_nothing_or_nobody_is_never_everything(inventory: Inventory, selection: Selection) -> None:
    with pytest.raises(Invalid):
        inventory.select(selection)


def test_a_group_without_tags_or_with_those_of_another_is_refused(inventory: Inventory) -> None:
    known = ids(inventory)
    for tags in ((), (known["magnet"],), (9999,)):
        with pytest.raises(Invalid):
            inventory.select(Selection(tag_filters={known["Area"]: tags}))


def test_unknown_ids_are_named(inventory: Inventory) -> None:
    with pytest.raises(Invalid, match="unknown PV: 98, 99") as caught:
        inventory.select(Selection(pv_ids=(1, 98, 99)))
    assert len(caught.value.errors) == 2


def test_a_nasty_pattern_takes_no_time() -> None:
    inventory = inventory_of([pv("a" * 200)])
    started = time.process_time()  # of which others on a busy machine take none
    with pytest.raises(Invalid):
        inventory.select(Selection(pattern="*a" * 40 + "b"))
    assert time.process_time() - started < 2


def test_the_slots_in_use_are_those_with_an_address(inventory: Inventory) -> None:
    assert inventory.used_slots.tolist() == sorted(inventory.address_of)


# ---- lists ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("q1", ["LI:[1]:SP", "SR:Q1:SP", "sr:q1:sp"]),
        ("100%", ["SR:Q1:SP"]),
        ("SR_Q1", []),
        ("sp\0q1", []),
        ("PVA://", ["pva://SR:BEAM"]),
    ],
)
def test_a_text_is_found_anywhere_in_any_case(inventory: Inventory, text: str, expected: list[str]) -> None:
    assert [found.name() for found in listing.page(inventory, text=text, size=10).pvs] == expected


def test_searches_filter_by_device_and_any_tag(inventory: Inventory) -> None:
    known = ids(inventory)
    found = listing.search(inventory, devices=["Q1"], tag_ids=[known["linac"], known["north"], 12345], limit=10)
    assert [one.name() for one in found.pvs] == ["LI:[1]:SP"]
    assert listing.search(inventory, tag_ids=[12345], limit=10).total == 0
    part = listing.search(inventory, limit=2, offset=3)
    assert ([one.name() for one in part.pvs], part.total) == (["pva://SR:BEAM", "sr:q1:sp"], 5)
    assert listing.search(inventory, limit=2, offset=10**18).pvs == ()


@pytest.mark.parametrize("size", [1, 2, 4, 5, 6])
def test_pages_hold_each_pv_once(inventory: Inventory, size: int) -> None:
    seen, after = [], None
    while True:
        page = listing.page(inventory, size=size, after=after)
        assert page.total == 5
        seen += [found.name() for found in page.pvs]
        if (after := page.next_after) is None:
            break
    assert seen == inventory.names


def test_a_page_goes_on_where_a_pv_was_deleted(inventory: Inventory) -> None:
    page = listing.page(inventory, size=10, after=("SR:Q1:XX", 4))
    assert [found.name() for found in page.pvs] == ["SR:Q2:SP", "pva://SR:BEAM", "sr:q1:sp"]


def test_two_pvs_of_one_name_are_parted_by_id() -> None:
    twins = inventory_of([pv("A"), pv(None, "A")])
    first = listing.page(twins, size=1)
    second = listing.page(twins, size=1, after=first.next_after)
    assert [found.id for found in (*first.pvs, *second.pvs)] == [1, 2]
    assert second.next_after is None
