"""Snapshots: true about what they hold, found without their values, never half there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.src.core.errors import Conflict, Invalid, Unavailable
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import ValueType
from backend.src.services.catalog import Selection, TagRef
from backend.src.services.live.table import CONNECT_S
from backend.src.services.snapshots import (
    ArchiveDamaged,
    SnapshotDraft,
    SnapshotFilter,
    SnapshotGolden,
    SnapshotNotFound,
    SnapshotRequest,
    snapshot_rows,
)
from backend.src.services.snapshots import archive as archives
from backend.src.services.snapshots.capture import Source
from backend.src.services.snapshots.history import history
from backend.src.services.snapshots.live_comparison import Comparisons
from tests.unit.services.snapshots.captures import Channel, double
from tests.unit.services.snapshots.stand import Stand, catalogue, stand_of

NAMES = ("A:SP", "B:SP", "C:SP")


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand_of(tmp_path, catalogue(*NAMES)) as made:
        yield made


async def values(stand: Stand, snapshot_id: str) -> list[Any]:
    frame = (await stand.snapshots.contents(snapshot_id)).capture.frame
    return [frame.value(row) for row in range(len(frame))]


async def test_a_snapshot_from_live_holds_the_table(stand: Stand) -> None:
    stand.show(1, double(1.5))
    stand.show(2, Channel(ValueType.STRING, "text", severity=2))
    made = await stand.take()
    assert await values(stand, made.id) == [1.5, "text", None]
    assert (made.pv_count, made.source, made.created_by) == (3, "live", "somebody")
    assert (made.counts.captured, made.counts.disconnected, made.counts.stale, made.counts.alarm) == (2, 1, 0, 1)


async def test_a_value_that_is_known_to_be_otherwise_is_captured_as_stale(stand: Stand) -> None:
    stand.show(1, double(1.5))
    stand.live.suspect([1])
    made = await stand.take(pv_ids=(1,))
    assert (made.counts.stale, made.counts.captured) == (1, 0)
    assert (await stand.snapshots.contents(made.id)).capture.stale.tolist() == [True]


async def test_when_the_monitor_has_died_every_channel_is_read(stand: Stand) -> None:
    stand.show(1, double(1.5))
    stand.clock.advance(10)
    stand.machine.channels["ca://A:SP"] = double(2.0)
    made = await stand.take(pv_ids=(1,))
    assert (made.source, made.counts.stale, made.counts.captured) == ("read", 0, 1)
    assert (await stand.snapshots.contents(made.id)).capture.frame.value(0) == 2.0


async def test_a_forced_read_asks_the_machine_and_not_the_table(stand: Stand) -> None:
    stand.show(1, double(1.0))
    stand.machine.channels["ca://A:SP"] = double(2.0)
    made = await stand.take(use_cache=False, pv_ids=(1,))
    capture = (await stand.snapshots.contents(made.id)).capture
    assert (made.source, capture.frame.value(0), capture.sources.tolist()) == ("read", 2.0, [Source.READ])
    assert stand.machine.reads == [["ca://A:SP"]]


async def test_a_forced_read_reads_a_shared_channel_once(tmp_path: Path) -> None:
    shared = replace(catalogue("A:SP", "B:SP"), readback=np.array([3, 3], np.int32))
    shared.address_of[3] = PvAddress.parse("SHARED:RB")
    async with stand_of(tmp_path, shared) as stand:
        stand.machine.channels |= {"ca://SHARED:RB": double(7.0), "ca://A:SP": double(1.0)}
        made = await stand.take(use_cache=False)
        assert sorted(stand.machine.reads[0]) == ["ca://A:SP", "ca://B:SP", "ca://SHARED:RB"]
        assert await values(stand, made.id) == [1.0, 7.0, None, 7.0]


@pytest.mark.parametrize(
    "selection", [Selection(pv_ids=()), Selection(), Selection(pattern="NONE*"), Selection(pv_ids=(1, 99))]
)
async def test_an_empty_or_unknown_selection_is_refused(stand: Stand, selection: Selection) -> None:
    request = SnapshotRequest(SnapshotDraft("x"), selection)
    with pytest.raises(Invalid):
        await stand.snapshots.create(request, None)
    with pytest.raises(Invalid):
        await stand.snapshots.check(request)
    assert (await stand.snapshots.page(SnapshotFilter())).snapshots == ()


async def test_a_list_touches_no_archive(stand: Stand) -> None:
    made = await stand.take()
    for path in stand.archives:
        path.unlink()
    assert [found.id for found in (await stand.snapshots.page(SnapshotFilter())).snapshots] == [made.id]


async def test_lists_are_newest_first_and_paged_without_gaps(stand: Stand) -> None:
    made = []
    for number in range(5):
        stand.clock.advance(number % 2)  # some at the very same moment
        made.append((await stand.take(f"number {number}")).id)
    found, after = [], None
    while True:
        page = await stand.snapshots.page(SnapshotFilter(), after=after, limit=2)
        found += [snapshot.id for snapshot in page.snapshots]
        after = page.next_after
        if after is None:
            break
    whole = (await stand.snapshots.page(SnapshotFilter())).snapshots
    assert found == [snapshot.id for snapshot in whole]
    assert sorted(found) == sorted(made)
    assert [s.created_at for s in whole] == sorted((s.created_at for s in whole), reverse=True)


async def test_filters(stand: Stand) -> None:
    first = await stand.take("Tune 50% of_it", pv_ids=(1,))
    stand.clock.advance(60)
    second = await stand.take("night shift", pv_ids=(2, 3))
    await stand.snapshots.update(first.id, {"labels": ("good", "low")})
    await stand.snapshots.update(second.id, {"golden": True})

    async def found(**narrowed: Any) -> list[str]:
        return [one.id for one in (await stand.snapshots.page(SnapshotFilter(**narrowed))).snapshots]

    assert await found(title="0% OF_") == [first.id]
    assert await found(title="night_shift") == []
    assert await found(title="%") == [first.id]
    assert await found(label="low") == [first.id]
    assert await found(golden=True) == [second.id]
    assert await found(golden=False) == [first.id]
    assert await found(created_by="nobody") == []
    assert await found(since=second.created_at) == [second.id]
    assert await found(until=second.created_at - timedelta(seconds=1)) == [first.id]
    assert await found(contains_pv="A:SP") == [first.id]
    assert await found(contains_pv="ca://C:SP") == [second.id]
    assert await found(contains_pv="?:SP") == [second.id, first.id]
    assert await found(contains_pv="a:sp") == []
    assert await found(contains_pv="a:*") == []
    assert await found(contains_pv="pva://A:SP") == []
    assert await found(tag_ids=(1,)) == []


async def test_a_pv_that_was_deleted_is_still_found(stand: Stand) -> None:
    made = await stand.take()
    stand.catalog.current = catalogue("B:SP", unused=("A:SP",))
    page = await stand.snapshots.page(SnapshotFilter(contains_pv="A:SP"))
    assert [found.id for found in page.snapshots] == [made.id]
    capture = (await stand.snapshots.contents(made.id)).capture
    assert capture.pvs.names == list(NAMES)


async def test_snapshots_are_found_by_the_tags_their_pvs_had(tmp_path: Path) -> None:
    tagged = replace(catalogue(*NAMES), tags=[(TagRef(4, "LI21", 1, "Area"),), (), ()])
    async with stand_of(tmp_path, tagged) as stand:
        made = await stand.take()
        await stand.take(pv_ids=(2,))
        page = await stand.snapshots.page(SnapshotFilter(tag_ids=(4, 9)))
        assert [found.id for found in page.snapshots] == [made.id]


async def test_what_is_said_of_a_snapshot_changes_and_its_values_do_not(stand: Stand) -> None:
    made = await stand.take()
    before = stand.archives[0].read_bytes()
    changed = await stand.snapshots.update(
        made.id, {"title": "new", "description": "why", "labels": ("a", "b"), "golden": True}
    )
    assert (changed.title, changed.description, changed.labels, changed.golden) == ("new", "why", ("a", "b"), True)
    assert (await stand.snapshots.update(made.id, {"description": None})).description is None
    assert (await stand.snapshots.update(made.id, {})).labels == ("a", "b")
    assert stand.archives[0].read_bytes() == before
    assert (await stand.snapshots.get(made.id)).sha256 == made.sha256


async def test_golden_snapshots_are_not_deleted(stand: Stand) -> None:
    made = await stand.take()
    await stand.snapshots.update(made.id, {"golden": True})
    with pytest.raises(SnapshotGolden):
        await stand.snapshots.delete(made.id)
    await stand.snapshots.update(made.id, {"golden": False})
    await stand.snapshots.delete(made.id)
    assert stand.archives == []
    with pytest.raises(SnapshotNotFound):
        await stand.snapshots.get(made.id)


async def test_unknown_snapshots(stand: Stand) -> None:
    for call in (stand.snapshots.get, stand.snapshots.contents, stand.snapshots.delete):
        with pytest.raises(SnapshotNotFound, match="0123456789abcdef"):
            await call("0123456789abcdef")
    with pytest.raises(SnapshotNotFound):
        await stand.snapshots.update("0123456789abcdef", {"title": "x"})


async def test_damage_is_noticed_even_after_the_archive_was_read_once(stand: Stand) -> None:
    made = await stand.take()
    await stand.snapshots.contents(made.id)
    content = bytearray(stand.archives[0].read_bytes())
    content[len(content) // 2] ^= 1
    stand.archives[0].write_bytes(content)
    with pytest.raises(ArchiveDamaged, match=made.id):
        await stand.snapshots.contents(made.id)
    with pytest.raises(ArchiveDamaged, match=made.id):
        await stand.snapshots.archive(made)


async def test_a_lost_archive_is_told_with_the_snapshot(stand: Stand) -> None:
    made = await stand.take()
    stand.archives[0].unlink()
    with pytest.raises(ArchiveDamaged, match=made.id):
        await stand.snapshots.contents(made.id)


async def test_a_failed_put_leaves_no_snapshot(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise Unavailable("the bucket is away")

    monkeypatch.setattr(stand.bucket, "put", away)
    with pytest.raises(Unavailable):
        await stand.take()
    assert (await stand.snapshots.page(SnapshotFilter())).snapshots == ()


async def fail_to_add(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot whose archive is put and whose row is not added: as after a crash in between."""
    with monkeypatch.context() as broken:

        def away(*_: Any) -> None:
            raise Unavailable("the database is away")

        broken.setattr(snapshot_rows, "add", away)
        with pytest.raises(Unavailable):
            await stand.take()


async def test_a_failed_row_leaves_an_archive_that_is_cleaned_up(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await stand.take()
    await fail_to_add(stand, monkeypatch)
    assert len(stand.archives) == 2
    stand.clock.advance(10)
    assert await stand.snapshots.clean_up(older_than_s=0.0) == 1
    assert [path.stem for path in stand.archives] == [kept.id]
    assert await stand.snapshots.clean_up(older_than_s=0.0) == 0


async def test_young_orphans_are_left_alone(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    await fail_to_add(stand, monkeypatch)
    stand.clock.advance(3599)
    assert await stand.snapshots.clean_up(older_than_s=3600.0) == 0
    assert len(stand.archives) == 1


async def test_archives_of_others_are_never_touched(stand: Stand) -> None:
    await stand.bucket.put("snapshots/ffffffffffffffff.parquet", b"of another database", "x")
    stand.clock.advance(10 * 365 * 86_400)
    await stand.snapshots.stop()
    await stand.snapshots.start()
    assert await stand.snapshots.clean_up(older_than_s=0.0) == 0
    assert len(stand.archives) == 1


async def test_a_snapshot_that_was_given_up_is_not_added(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    put = stand.bucket.put

    async def slowly(*arguments: Any) -> None:
        await put(*arguments)
        stand.clock.advance(7200)
        await stand.snapshots.clean_up(older_than_s=3600.0)

    monkeypatch.setattr(stand.bucket, "put", slowly)
    with pytest.raises(Conflict, match="given up"):
        await stand.take()
    assert (await stand.snapshots.page(SnapshotFilter())).snapshots == ()


async def test_a_deleted_snapshots_archive_goes_when_the_bucket_is_back(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await stand.take()
    with monkeypatch.context() as broken:

        async def away(*_: Any) -> None:
            raise Unavailable("the bucket is away")

        broken.setattr(stand.bucket, "delete", away)
        await stand.snapshots.delete(made.id)
    assert len(stand.archives) == 1
    assert await stand.snapshots.clean_up(older_than_s=3600.0) == 1
    assert stand.archives == []


async def test_reading_changes_nothing(stand: Stand) -> None:
    made = await stand.take()
    before = {path: path.read_bytes() for path in stand.archives}
    await stand.snapshots.contents(made.id)
    await stand.snapshots.page(SnapshotFilter(contains_pv="A:SP"))
    await Comparisons(stand.snapshots).compare(made.id, "live")
    assert {path: path.read_bytes() for path in stand.archives} == before
    assert await stand.snapshots.get(made.id) == made


async def test_compare_with_the_machine(stand: Stand) -> None:
    for slot in (1, 2, 3):
        stand.show(slot, double(1.0))
    made = await stand.take(pv_ids=(1, 2))
    stand.show(1, double(2.0))
    found = await Comparisons(stand.snapshots).compare(made.id, "live")
    assert (found.comparison.match_count, found.comparison.difference_count) == (1, 1)
    assert len(found.comparison.only_in_2) == 0


async def test_compare_with_the_machine_reads_it_when_the_monitor_is_dead(stand: Stand) -> None:
    stand.show(1, double(1.0))
    made = await stand.take(pv_ids=(1,))
    stand.machine.channels["ca://A:SP"] = double(5.0)
    stand.clock.advance(10)
    found = await Comparisons(stand.snapshots).compare(made.id, "live")
    assert found.second.frame.value(0) == 5.0
    assert found.comparison.difference_count == 1


async def test_compare_with_the_machine_reads_it_when_the_table_is_in_doubt(stand: Stand) -> None:
    for slot in (1, 2):
        stand.show(slot, double(1.0))
    made = await stand.take(pv_ids=(1, 2))
    stand.machine.channels |= {"ca://A:SP": double(5.0), "ca://B:SP": double(1.0)}
    assert (await Comparisons(stand.snapshots).compare(made.id, "live")).comparison.difference_count == 0
    stand.live.suspect([1])
    found = await Comparisons(stand.snapshots).compare(made.id, "live")
    assert found.second.frame.value(0) == 5.0
    assert found.comparison.difference_count == 1


async def test_who_has_not_connected_yet_is_read(stand: Stand) -> None:
    stand.machine.channels |= {"ca://A:SP": double(5.0)}
    stand.live.lose([1])
    stand.live.expect([1])
    assert (await stand.take(pv_ids=(1,))).source == "read"
    stand.clock.advance(CONNECT_S)
    stand.live.beat()
    assert (await stand.take(pv_ids=(1,))).source == "live", "it is away"


async def test_compare_with_the_machine_tells_what_the_catalogue_lost(stand: Stand) -> None:
    made = await stand.take()
    stand.catalog.current = catalogue("A:SP")
    found = await Comparisons(stand.snapshots).compare(made.id, "live")
    assert [found.first.addresses[row] for row in found.comparison.only_in_1] == ["ca://B:SP", "ca://C:SP"]


async def test_history_of_one_pv(stand: Stand) -> None:
    made = []
    for number in range(3):
        stand.clock.advance(1)
        stand.show(1, double(float(number)))
        made.append(await stand.take())
        await stand.take(pv_ids=(2,))
    page = await history(stand.snapshots, PvAddress.parse("A:SP"), after=None, limit=2)
    assert [entry.snapshot.id for entry in page.entries] == [made[2].id, made[1].id]
    assert [entry.capture.frame.value(0) for entry in page.entries] == [2.0, 1.0]
    rest = await history(stand.snapshots, PvAddress.parse("A:SP"), after=page.next_after, limit=2)
    assert [entry.capture.frame.value(0) for entry in rest.entries] == [0.0]
    assert rest.next_after is None


async def test_decoded_archives_are_shared_and_bounded(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await stand.take("one"), await stand.take("two")
    decoded: list[str] = []
    real = archives.read

    def counted(content: Any, name: str) -> Any:
        decoded.append(name)
        return real(content, name)

    monkeypatch.setattr(archives, "read", counted)
    monkeypatch.setattr(stand.snapshots._archives, "_cache_bytes", 1)
    for snapshot_id in (first.id, first.id, second.id, second.id, first.id):
        await stand.snapshots.contents(snapshot_id)
    assert len(decoded) == 3
