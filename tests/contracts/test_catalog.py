"""The catalogue over SQLite and MariaDB, with the cache wired."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select, text

from backend.src.config.settings import CacheSettings, SqlSettings
from backend.src.core.errors import Conflict, Invalid, NotFound, Unavailable
from backend.src.infra.cache import Redis
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import channels, pv_tags, pvs
from backend.src.services.catalog import (
    Catalog,
    Outcome,
    Pv,
    PvDraft,
    Selection,
    TagCatalog,
    TagDraft,
    listing,
)
from tests.manual_clock import ManualClock

MANY = 6_000  # beyond the number from which whole tables are read instead of single rows


class Listener:
    """Hears of every version; away when told so."""

    def __init__(self) -> None:
        self.versions: list[int] = []
        self.away = False

    async def catalog_changed(self, version: int) -> None:
        if self.away:
            raise Unavailable("Redis is away")
        self.versions.append(version)


@pytest.fixture
async def cached_sql(sql_settings: SqlSettings, tmp_path: Path) -> AsyncIterator[SQL]:
    redis: Redis = Redis.build(CacheSettings())
    await redis.start()
    sql: SQL = SQL.build(sql_settings, tmp_path, redis)
    await sql.start()
    yield sql
    await sql.stop()
    await redis.stop()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def catalog(cached_sql: SQL, listener: Listener, clock: ManualClock) -> Catalog:
    return Catalog(cached_sql, listener, clock)


@pytest.fixture
def tags(catalog: Catalog) -> TagCatalog:
    return TagCatalog(catalog.store)


def pv(setpoint: str | None = None, readback: str | None = None, **fields: Any) -> PvDraft:
    return PvDraft(
        PvAddress.parse(setpoint) if setpoint else None, PvAddress.parse(readback) if readback else None, **fields
    )


async def add(catalog: Catalog, *setpoints: str, **fields: Any) -> list[int]:
    return [made.id for made in await catalog.create([pv(one, **fields) for one in setpoints], "me")]


async def names(catalog: Catalog) -> list[str]:
    return (await catalog.inventory()).names


async def some_tags(tags: TagCatalog, **groups: list[str]) -> dict[str, int]:
    await tags.add_many({group: [TagDraft(tag) for tag in members] for group, members in groups.items()})
    found = [await tags.group(group.id) for group in await tags.groups()]
    return {tag.name: tag.id for group in found for tag in group.tags} | {group.name: group.id for group in found}


# ---- making PVs ----


async def test_a_pv_comes_back_as_it_was_made(catalog: Catalog, tags: TagCatalog, clock: ManualClock) -> None:
    ids = await some_tags(tags, Area=["north", "south"])
    draft = PvDraft(
        setpoint=PvAddress(Protocol.CA, "X:SP"),
        readback=PvAddress(Protocol.PVA, "X:RB"),
        config=PvAddress(Protocol.CA, "X:CFG"),
        device=" magnet\u00e9 ",
        description="",
        abs_tolerance=1e-300,
        rel_tolerance=0.1,
        read_only=True,
        tag_ids=(ids["south"], ids["north"], ids["south"]),
    )
    (made,) = await catalog.create([draft], "me")
    assert made == await catalog.get(made.id)
    assert made == (await catalog.inventory()).pv(0)
    assert (made.device, made.description) == ("magnet\u00e9", None)
    assert [tag.name for tag in made.tags] == ["north", "south"]
    assert (made.created_at, made.created_by) == (clock.now(), "me")
    assert (str(made.readback), made.name()) == ("pva://X:RB", "X:SP")


async def test_two_spellings_of_an_address_are_one(catalog: Catalog) -> None:
    await add(catalog, "X")
    with pytest.raises(Conflict, match="in the catalogue already: X"):
        await add(catalog, "ca://X")
    await add(catalog, "pva://X", "x")
    assert await names(catalog) == ["X", "pva://X", "x"]


async def test_names_with_case_and_wildcards_are_themselves(catalog: Catalog) -> None:
    await add(catalog, "a%b", "a_b", "A_B", "axb", "a'b", 'a"b;--')
    assert len(await names(catalog)) == 6
    inventory = await catalog.inventory()
    assert [found.name() for found in listing.page(inventory, text="%", size=10).pvs] == ["a%b"]
    assert [found.name() for found in listing.page(inventory, text="a_b", size=10).pvs] == ["A_B", "a_b"]


@pytest.mark.parametrize("count", [3, MANY])
async def test_many_are_made_together_or_not_at_all(catalog: Catalog, listener: Listener, count: int) -> None:
    await add(catalog, "P:1", "P:2")
    version = await catalog.version()
    with pytest.raises(Conflict, match="in the catalogue already: P:1, P:2") as caught:
        await add(catalog, *(f"P:{number}" for number in range(1, count + 1)))
    assert [error.where for error in caught.value.errors] == [("P:1",), ("P:2",)]  # type: ignore[attr-defined]
    with pytest.raises(Conflict, match="more than once in this request: Q"):
        await add(catalog, "Q", "R", "ca://Q")
    assert await names(catalog) == ["P:1", "P:2"]
    assert (await catalog.version(), listener.versions) == (version, [version])


async def test_many_are_made_in_order_with_few_statements(catalog: Catalog, tags: TagCatalog, cached_sql: SQL) -> None:
    ids = await some_tags(tags, Area=["north"])
    drafts = [pv(f"M:{number}:SP", f"M:{number}:RB", tag_ids=(ids["north"],)) for number in range(MANY)]
    statements = await counted(catalog.create(drafts, "me"))
    made = await catalog.create([pv("Z"), pv("Y")], "me")
    assert [one.name() for one in made] == ["Z", "Y"]
    assert made[0].id < made[1].id
    inventory = await catalog.inventory()
    assert len(inventory) == MANY + 2
    assert all(refs[0].name == "north" for refs in inventory.tags[:MANY])
    assert statements < MANY / 20


async def counted(work: Any) -> int:
    """How many statements on the catalogue's tables this takes; the cache asks for generations besides."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if re.search(r"\b(pvs|pv_tags|tags|tag_groups|channels)\b", statement):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await work
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return len(seen)


async def test_unknown_tags_are_named(catalog: Catalog) -> None:
    with pytest.raises(Invalid, match="unknown tags: 77, 99"):
        await add(catalog, "X", tag_ids=(99, 77))
    assert await names(catalog) == []


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"abs_tolerance": float("nan")}, "absTolerance"),
        ({"rel_tolerance": -1.0}, "relTolerance"),
        ({"device": "a\0b"}, "device"),
        ({"description": "\ud800"}, "description"),
        ({"device": "x" * 256}, "device"),
    ],
)
async def test_what_cannot_be_stored_is_refused_by_field(catalog: Catalog, fields: Any, where: str) -> None:
    with pytest.raises(Invalid) as caught:
        await catalog.create([pv("A"), pv("B", **fields)], "me")
    assert [error.where for error in caught.value.errors] == [(1, where)]


async def test_a_pv_needs_an_address(catalog: Catalog) -> None:
    with pytest.raises(Invalid, match="at least one address"):
        await catalog.create([PvDraft(device="nothing")], "me")


async def test_a_readback_may_be_shared_but_not_stand_alone_twice(catalog: Catalog) -> None:
    await catalog.create([pv("A", "RB"), pv("B", "RB"), pv(None, "RB")], "me")
    with pytest.raises(Conflict, match="RB"):
        await catalog.create([pv(None, "ca://RB")], "me")


async def test_two_at_once_make_one(catalog: Catalog) -> None:
    done = await asyncio.gather(*(catalog.create([pv(None, "SAME")], "me") for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in done) == 3
    assert await names(catalog) == ["SAME"]


# ---- changing and deleting ----


async def test_an_update_changes_what_is_given(catalog: Catalog, tags: TagCatalog, clock: ManualClock) -> None:
    ids = await some_tags(tags, Area=["north", "south"])
    (pv_id,) = await add(catalog, "X", device="D", description="d", tag_ids=(ids["north"],), abs_tolerance=1.0)
    before = await catalog.get(pv_id)
    clock.advance(10)
    after = await catalog.update(
        pv_id, {"device": None, "setpoint": PvAddress(Protocol.PVA, "Y"), "tag_ids": (ids["south"],)}, "you"
    )
    assert after == await catalog.get(pv_id)
    assert (after.name(), after.device, after.description, after.abs_tolerance) == ("pva://Y", None, "d", 1.0)
    assert [tag.name for tag in after.tags] == ["south"]
    assert (after.created_at, after.created_by, after.modified_by) == (before.created_at, "me", "you")
    assert after.modified_at - before.modified_at == timedelta(seconds=10)
    assert await names(catalog) == ["pva://Y"]


async def test_an_update_leaves_an_address_and_takes_nobodys(catalog: Catalog) -> None:
    first, second = await add(catalog, "A", "B")
    with pytest.raises(Conflict, match="in the catalogue already: B"):
        await catalog.update(first, {"setpoint": PvAddress(Protocol.CA, "B")}, "me")
    with pytest.raises(Invalid, match="at least one address"):
        await catalog.update(first, {"setpoint": None}, "me")
    with pytest.raises(NotFound):
        await catalog.update(second + 1, {"device": "x"}, "me")
    assert (await catalog.update(second, {"setpoint": PvAddress(Protocol.CA, "B")}, "me")).name() == "B"


async def test_a_deleted_pv_leaves_its_channels(catalog: Catalog, cached_sql: SQL, tags: TagCatalog) -> None:
    ids = await some_tags(tags, Area=["north"])
    (pv_id,) = await add(catalog, "X", tag_ids=(ids["north"],))
    slot = int((await catalog.inventory()).setpoint[0])
    await catalog.delete(pv_id)
    for gone in (catalog.get(pv_id), catalog.delete(pv_id)):
        with pytest.raises(NotFound):
            await gone
    inventory = await catalog.inventory()
    assert (len(inventory), str(inventory.address_of[slot]), inventory.used_slots.tolist()) == (0, "ca://X", [])
    await add(catalog, "X")
    assert int((await catalog.inventory()).setpoint[0]) == slot
    assert await cached_sql.read(lambda connection: connection.scalar(select(func.count()).select_from(pv_tags))) == 0


async def test_reading_deletes_nothing(catalog: Catalog, cached_sql: SQL) -> None:
    await add(catalog, *(f"P:{number}" for number in range(25)))
    version = await catalog.version()
    after, seen = None, []
    while True:
        page = listing.page(await catalog.inventory(), size=10, after=after)
        seen += [found.name() for found in page.pvs]
        assert page.total == 25
        if (after := page.next_after) is None:
            break
    assert seen == sorted(f"P:{number}" for number in range(25))
    assert await cached_sql.read(lambda connection: connection.scalar(select(func.count()).select_from(pvs))) == 25
    assert await catalog.version() == version


# ---- version, notifier, cache ----


async def test_each_change_raises_the_version_once_and_is_told(
    catalog: Catalog, tags: TagCatalog, listener: Listener
) -> None:
    (pv_id,) = await add(catalog, "X")
    await catalog.update(pv_id, {"device": "d"}, "me")
    group = await tags.create_group(TagDraft("G"))
    _, created = await tags.add_tag(group.id, TagDraft("t"))
    assert created
    _, created = await tags.add_tag(group.id, TagDraft("t"), skip_duplicates=True)
    assert not created
    await tags.delete_group(group.id)
    await catalog.delete(pv_id)
    assert listener.versions == sorted(set(listener.versions)) and len(listener.versions) == 6
    assert await catalog.version() == listener.versions[-1]


async def test_a_write_stands_when_nobody_can_be_told(catalog: Catalog, listener: Listener) -> None:
    listener.away = True
    await add(catalog, "X")
    assert await names(catalog) == ["X"]


async def test_the_inventory_is_kept_until_it_is_old(catalog: Catalog, cached_sql: SQL, listener: Listener) -> None:
    await add(catalog, "A")
    first = await catalog.inventory()
    assert await catalog.inventory() is first
    elsewhere = Catalog(cached_sql, listener)
    await add(elsewhere, "B")
    second, third = await asyncio.gather(catalog.inventory(), catalog.inventory())
    assert second is third
    assert second.names == ["A", "B"]
    assert first.names == ["A"]
    assert len(first.address_of) == 1


async def test_cached_answers_are_never_old(catalog: Catalog, tags: TagCatalog) -> None:
    ids = await some_tags(tags, Area=["north"])
    (pv_id,) = await add(catalog, "X", device="one", tag_ids=(ids["north"],))
    for number in range(3):
        assert (await catalog.get(pv_id)).tags[0].name == ("north" if number == 0 else f"north {number}")
        assert await catalog.devices() == ["one" if number == 0 else f"device {number}"]
        assert [group.tag_count for group in await tags.groups()] == [number + 1]
        assert len((await tags.group(ids["Area"])).tags) == number + 1
        await tags.update_tag(ids["Area"], ids["north"], {"name": f"north {number + 1}"})
        await catalog.update(pv_id, {"device": f"device {number + 1}"}, "me")
        await tags.add_tag(ids["Area"], TagDraft(f"more {number}"))


async def test_single_pvs_devices_and_tags_come_from_the_cache(
    catalog: Catalog, tags: TagCatalog, cached_sql: SQL
) -> None:
    ids = await some_tags(tags, Area=["north"])
    (pv_id,) = await add(catalog, "X", device="one", tag_ids=(ids["north"],))
    reads: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: catalog.get(pv_id), catalog.devices, tags.groups, lambda: tags.group(ids["Area"]),
    )  # fmt: skip
    first = [await read() for read in reads]
    for read, expected in zip(reads, first, strict=True):
        assert await counted(read()) == 0
        assert await read() == expected


async def test_a_change_is_written_through(catalog: Catalog) -> None:
    async def expect(pv: Pv) -> None:
        assert await catalog.get(pv.id) == pv

    (made,) = await catalog.create([pv("X")], "me")
    assert await counted(expect(made)) == 0
    changed = await catalog.update(made.id, {"device": "new"}, "me")
    assert await counted(expect(changed)) == 0


# ---- tags ----


async def test_groups_and_tags_have_names_of_their_own(tags: TagCatalog) -> None:
    area = await tags.create_group(TagDraft(" Area ", " where "))
    assert (area.name, area.description) == ("Area", "where")
    with pytest.raises(Conflict, match="'Area'"):
        await tags.create_group(TagDraft("Area"))
    lower = await tags.create_group(TagDraft("area"))
    with pytest.raises(Conflict):
        await tags.update_group(lower.id, {"name": "Area"})
    await tags.add_tag(area.id, TagDraft("x"))
    with pytest.raises(Conflict, match="'x'"):
        await tags.add_tag(area.id, TagDraft("x"))
    group, created = await tags.add_tag(area.id, TagDraft("y", "why"))
    assert created
    with pytest.raises(Conflict):
        await tags.update_tag(area.id, group.tags[1].id, {"name": "x"})
    await tags.add_tag(lower.id, TagDraft("x"))
    changed = await tags.update_tag(area.id, group.tags[1].id, {"description": None})
    assert [(tag.name, tag.description) for tag in changed.tags] == [("x", None), ("y", None)]
    for bad in ("", "   ", "a\0"):
        with pytest.raises(Invalid):
            await tags.create_group(TagDraft(bad))


async def test_a_group_in_use_goes_only_by_force(catalog: Catalog, tags: TagCatalog) -> None:
    ids = await some_tags(tags, Area=["north"], Kind=["magnet"])
    (pv_id,) = await add(catalog, "X", tag_ids=(ids["north"], ids["magnet"]))
    with pytest.raises(Conflict, match="1 PVs carry tags of 'Area'"):
        await tags.delete_group(ids["Area"])
    await tags.delete_group(ids["Area"], force=True)
    assert [tag.name for tag in (await catalog.get(pv_id)).tags] == ["magnet"]
    assert [group.name for group in await tags.groups()] == ["Kind"]
    await tags.delete_tag(ids["Kind"], ids["magnet"])
    assert (await catalog.get(pv_id)).tags == ()


async def test_what_is_not_there_is_not_found(tags: TagCatalog) -> None:
    ids = await some_tags(tags, A=["x"], B=["y"])
    for missing in (
        tags.group(999),
        tags.update_group(999, {"name": "z"}),
        tags.delete_group(999),
        tags.add_tag(999, TagDraft("z")),
        tags.update_tag(ids["A"], ids["y"], {"name": "z"}),
        tags.delete_tag(ids["A"], ids["y"]),
    ):
        with pytest.raises(NotFound):
            await missing


async def test_bulk_tags_keep_what_is_there(tags: TagCatalog) -> None:
    await some_tags(tags, Area=["north"])
    report = await tags.add_many(
        {"Area": [TagDraft("north"), TagDraft("south")], "New": [TagDraft("a"), TagDraft("a")]}
    )
    assert (report.groups_created, report.tags_created, report.tags_skipped) == (1, 2, 2)
    assert report.warnings == ("tag 'north' is in 'Area' already", "tag 'a' is in 'New' already")


# ---- import ----

LIST = b"""\
Setpoint,Readback,Device,Description,Area,Kind
A:SP,A:RB,dev,"first, ""the"" one","north,south",magnet
pva://B:SP,,,none,north,
,C:RB,nan,,,magnet
"""


async def outcomes(catalog: Catalog, content: bytes | str, **options: Any) -> list[Outcome]:
    return [row.outcome for row in (await catalog.import_csv(content, actor="me", **options)).rows]


async def test_an_import_makes_everything_and_again_nothing(catalog: Catalog, tags: TagCatalog) -> None:
    report = await catalog.import_csv(LIST, actor="me")
    assert (report.groups_created, report.tags_created, report.count(Outcome.CREATED)) == (2, 3, 3)
    inventory = await catalog.inventory()
    assert inventory.names == ["A:SP", "C:RB", "pva://B:SP"]
    assert inventory.descriptions == ['first, "the" one', None, None]
    assert [[tag.name for tag in carried] for carried in inventory.tags] == [
        ["north", "south", "magnet"],
        ["magnet"],
        ["north"],
    ]
    version = await catalog.version()
    assert await outcomes(catalog, LIST) == [Outcome.UNCHANGED] * 3
    assert await catalog.version() == version


async def test_a_dry_run_says_the_same_and_changes_nothing(catalog: Catalog, cached_sql: SQL) -> None:
    dry = await catalog.import_csv(LIST, actor="me", dry_run=True)
    counts = [text(f"SELECT COUNT(*) FROM {table}") for table in ("pvs", "channels", "tags", "tag_groups", "pv_tags")]
    assert await cached_sql.read(lambda connection: [connection.scalar(count) for count in counts]) == [0] * 5
    assert (await catalog.version(), dry.changed) == (0, False)
    wet = await catalog.import_csv(LIST, actor="me")
    assert dry.rows == wet.rows
    assert (dry.groups_created, dry.tags_created) == (wet.groups_created, wet.tags_created)


async def test_columns_of_the_file_set_their_fields_and_no_others(catalog: Catalog, clock: ManualClock) -> None:
    await catalog.import_csv(LIST, actor="me")
    clock.advance(1)
    report = await catalog.import_csv("Setpoint,Area,Device\nA:SP,west,\npva://B:SP,north,\n", actor="you")
    assert [(row.outcome, row.reason) for row in report.rows] == [
        (Outcome.UPDATED, "device, tags"),
        (Outcome.UNCHANGED, None),
    ]
    pv_a = (await catalog.inventory()).pv(0)
    assert (str(pv_a.readback), pv_a.device, pv_a.description) == ("ca://A:RB", None, 'first, "the" one')
    assert [tag.name for tag in pv_a.tags] == ["west", "magnet"]
    assert (pv_a.created_by, pv_a.modified_by) == ("me", "you")
    assert pv_a.modified_at == clock.now()


async def test_rejected_rows_do_not_stop_the_others(catalog: Catalog) -> None:
    content = "Setpoint,Readback,Area\nA,,x\nb ad,,\n,,y\nca://A,,\nB,\nC,,a\0b\nD,,\n,D,\n"
    report = await catalog.import_csv(content, actor="me")
    rejected = [(row.line, row.reason) for row in report.rows if row.outcome is Outcome.REJECTED]
    assert [line for line, _ in rejected] == [3, 4, 5, 6, 7]
    assert [reason.partition(" ")[0] if reason else "" for _, reason in rejected] == [
        "PV",
        "neither",
        "the",
        "2",
        "Area:",
    ]
    assert await names(catalog) == ["A", "D", "D"]


async def test_export_and_import_agree(catalog: Catalog) -> None:
    await catalog.import_csv(LIST, actor="me")
    await catalog.create(
        [PvDraft(config=PvAddress(Protocol.CA, "CFG"), abs_tolerance=0.1, rel_tolerance=1e-7, read_only=True)], "me"
    )
    exported = "".join(await catalog.export_csv())
    assert exported.splitlines()[0] == (
        "Setpoint,Readback,Description,Device,Area,Kind,@config,@absTolerance,@relTolerance,@readOnly".replace(
            "Description,Device", "Device,Description"
        )
    )
    assert await outcomes(catalog, exported) == [Outcome.UNCHANGED] * 4
    elsewhere = await catalog.inventory()
    for pv_id in elsewhere.pv_ids.tolist():
        await catalog.delete(pv_id)
    assert await outcomes(catalog, exported) == [Outcome.CREATED] * 4
    assert "".join(await catalog.export_csv()) == exported


async def test_a_row_may_name_a_channel_that_another_brings(catalog: Catalog) -> None:
    await catalog.import_csv("Setpoint,Readback\nA,\n", actor="me")
    assert await outcomes(catalog, "Setpoint,Readback\nA,NEW\nNEW,A\nB,NEW\n") == [
        Outcome.UPDATED,
        Outcome.CREATED,
        Outcome.CREATED,
    ]
    assert await names(catalog) == ["A", "B", "NEW"]


@pytest.mark.parametrize("change", ["Description", "Area"])
async def test_a_large_import_takes_few_statements(catalog: Catalog, cached_sql: SQL, change: str) -> None:
    def content(value: str) -> str:
        rows = (f"M:{number}:SP,M:{number}:RB,text,tag{number % 7}" for number in range(MANY))
        header = {"Description": "Setpoint,Readback,Description,Area", "Area": "Setpoint,Readback,Kind,Area"}[change]
        return "\n".join([header, *rows]).replace("text" if change == "Description" else "tag", value)

    steps: list[int] = []
    first = catalog.import_csv(content("a"), actor="me", progress=lambda percent, _: steps.append(percent))
    assert await counted(first) < MANY / 20
    assert steps == [0, 30, 50, 100]
    assert await counted(catalog.import_csv(content("b"), actor="me")) < MANY / 20
    assert set(await outcomes(catalog, content("b"))) == {Outcome.UNCHANGED}


async def test_selections(catalog: Catalog, tags: TagCatalog) -> None:
    await catalog.import_csv(LIST, actor="me")
    inventory = await catalog.inventory()
    groups = {name: group_id for group_id, name in inventory.known_groups.items()}
    ids = {ref.name: ref.id for ref in inventory.known_tags.values()}
    north_magnets = {groups["Area"]: (ids["north"], ids["south"]), groups["Kind"]: (ids["magnet"],)}
    assert [inventory.names[row] for row in inventory.select(Selection(tag_filters=north_magnets))] == ["A:SP"]
    assert len(inventory.select(Selection(everything=True))) == 3
    with pytest.raises(Invalid, match="unknown tag in group"):
        inventory.select(Selection(tag_filters={groups["Area"]: (ids["magnet"],)}))


async def test_times_are_exact(catalog: Catalog, clock: ManualClock) -> None:
    clock.advance(86400.678901)
    (pv_id,) = await add(catalog, "X")
    for found in (await catalog.get(pv_id), (await catalog.inventory()).pv(0)):
        assert found.created_at == datetime(2026, 1, 2, 0, 0, 0, 678901, UTC)


async def test_slots_stay_with_their_addresses(catalog: Catalog, cached_sql: SQL) -> None:
    await add(catalog, "A", "B")
    await catalog.inventory()
    await add(catalog, "C")
    inventory = await catalog.inventory()

    def stored(connection: Connection) -> dict[int, str]:
        return {row[0]: row[1] for row in connection.execute(select(channels.c.id, channels.c.address))}

    assert {slot: str(address) for slot, address in inventory.address_of.items()} == await cached_sql.read(stored)
