"""The audit trail over both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from backend.src.config.settings import Secret
from backend.src.core.errors import Unavailable
from backend.src.core.log_context import REQUEST, acting_for
from backend.src.infra.sql import SQL
from backend.src.services.accounts import Principal, PrincipalKind, Scope
from backend.src.services.audit import Audit, AuditEntry, AuditFilters, audit
from tests.contracts.people import PASSWORD, People
from tests.manual_clock import START, ManualClock

ANN = Principal(PrincipalKind.USER, "7", "ann", frozenset({Scope.READ}))
ANY = AuditFilters()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def trail(shared_sql: SQL, clock: ManualClock) -> Audit:
    return Audit(shared_sql, clock)


async def test_an_entry_is_there_before_its_end(trail: Audit, clock: ManualClock) -> None:
    detail = {"é": "\U0001f600", "n": 2**70}
    with acting_for(REQUEST, "r-1"):
        begun = await trail.begin(AuditEntry("DELETE /v1/pvs/{id}", ANN, "12", detail, "10.0.0.1"))
    (entry,) = await trail.entries(ANY, limit=100)
    assert (entry.id, entry.at, entry.action, entry.target) == (begun, clock.now(), "DELETE /v1/pvs/{id}", "12")
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == ("user", "7", "ann")
    assert (entry.detail, entry.address, entry.request_id, entry.status) == (detail, "10.0.0.1", "r-1", None)
    await trail.end(begun, 204)
    await trail.end(begun, 500)
    assert [one.status for one in await trail.entries(ANY, limit=100)] == [204]


async def test_nobody_known_is_noted_too(trail: Audit) -> None:
    await trail.note(AuditEntry("login.failed", status=401))
    (entry,) = await trail.entries(ANY, limit=100)
    assert (entry.actor_kind, entry.actor_id, entry.actor_name, entry.target) == (None, None, None, None)
    assert entry.request_id is None, "nobody asked for it"


async def test_any_text_can_be_noted(trail: Audit) -> None:
    for text in ("x" * 5_000, "a\x00b", "\udc80", "' OR 1=1 --", "\U0001f600" * 300, ""):
        actor = Principal(PrincipalKind.KEY, text, text, frozenset())
        await trail.note(AuditEntry(text, actor, text, {"text": text}, text))
        (entry,) = await trail.entries(ANY, limit=1)
        assert entry.detail == {"text": text}
        assert entry.target is not None and len(entry.target) <= 255
        if text.isascii() and "\x00" not in text:
            assert entry.target == text[:255]


async def test_each_filter_finds_its_own(trail: Audit, clock: ManualClock) -> None:
    bob = Principal(PrincipalKind.KEY, "8", "bob", frozenset())
    for actor, name in ((ANN, "one"), (bob, "two"), (None, "three")):
        with acting_for(REQUEST, f"id-{name}"):
            await trail.note(AuditEntry(f"act.{name}", actor, f"target {name}", None, f"address {name}"))
        clock.advance(10)
    start = ManualClock().now()

    async def found(**wanted: Any) -> list[str]:
        return [entry.action.removeprefix("act.") for entry in await trail.entries(AuditFilters(**wanted), limit=100)]

    assert await found() == ["three", "two", "one"]
    assert await found(actor="7") == await found(actor="ann") == ["one"]
    assert await found(action="act.two") == await found(target="target two") == ["two"]
    assert await found(address="address two") == await found(request_id="id-two") == ["two"]
    assert await found(from_=start + timedelta(seconds=10)) == ["three", "two"]
    assert await found(to=start + timedelta(seconds=10)) == ["one"]
    assert await found(actor="ann", action="act.two") == []
    assert await found(action="act.%") == await found(action="ACT.TWO") == []
    await trail.note(AuditEntry("act.four", Principal(PrincipalKind.KEY, "7", "ann (user 9)", frozenset())))
    assert await found(actor=ANN.name) == await found(actor="renamed (user 7)") == ["one"]
    assert await found(actor="7") == ["four", "one"], "person 7 and key 7"
    assert await found(actor="ann (user 9) (key 7)") == ["four"] and await found(actor="ann (user 9)") == []


async def test_pages_neither_repeat_nor_hide(trail: Audit, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        await trail.note(AuditEntry(f"act {number}"))
        clock.advance(number % 2)  # two at one time
    seen: list[str] = []
    after = None
    while page := await trail.entries(ANY, after=after, limit=2):
        seen += [entry.action for entry in page]
        after = (page[-1].at, page[-1].id)
        await trail.note(AuditEntry("meanwhile"))
    assert seen == [f"act {number}" for number in range(6, -1, -1)]
    monkeypatch.setattr(audit, "ENTRIES_A_PAGE", 2)
    written = [portion.count("\r\n") async for portion in await trail.export_csv(AuditFilters(to=START))]
    assert written == [1]
    written = [portion.count("\r\n") async for portion in await trail.export_csv(AuditFilters(action="meanwhile"))]
    assert written == [1, 2, 2]


async def test_the_oldest_go_first_and_in_portions(trail: Audit, clock: ManualClock) -> None:
    for number in range(5):
        await trail.note(AuditEntry(f"act {number}"))
        clock.advance(10)
    before = ManualClock().now() + timedelta(seconds=30)
    assert [await trail.remove_older(before, batch=2) for _ in range(3)] == [2, 1, 0]
    assert [entry.action for entry in await trail.entries(ANY, limit=100)] == ["act 4", "act 3"]


async def test_what_cannot_be_noted_is_not_begun_and_what_was_done_stays_done(
    trail: Audit, shared_sql: SQL, caplog: pytest.LogCaptureFixture
) -> None:
    begun = await trail.begin(AuditEntry("act"))
    await shared_sql.stop()
    with pytest.raises(Unavailable):
        await trail.begin(AuditEntry("act"))
    await trail.end(begun, 200)
    assert f"entry {begun} stays without its status 200" in caplog.text


async def test_the_first_administrator_is_noted_once(trail: Audit, shared_sql: SQL, clock: ManualClock) -> None:
    """No request's entry tells of it."""
    people = People(shared_sql, clock, admin_email="root@lab.example", admin_password=Secret(PASSWORD))
    for _ in range(2):
        await people.start()
        await people.stop()
    (entry,) = await trail.entries(ANY, limit=100)
    user = await people.find("root@lab.example")
    assert user is not None and (entry.action, entry.target) == ("user.first_administrator", str(user.id))
