"""Keys are changed, rotated, taken away, over both databases: nobody gets more than they had or is locked out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from backend.src.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL, insert_rows
from backend.src.infra.sql.tables import users
from backend.src.services.accounts import (
    ApiKey,
    ApiKeys,
    KeyChange,
    KeyDraft,
    Principal,
    PrincipalKind,
    Role,
    Rotation,
    Scope,
)
from tests.contracts.shared_database import Database
from tests.manual_clock import START, ManualClock

OPERATOR = Principal(PrincipalKind.LOCAL, "ann", "ann", frozenset(Scope))
MANAGER = Principal(PrincipalKind.USER, "7", "mia", Role.MANAGER.scopes)
HOME, AWAY = "10.1.2.3", "192.0.2.1"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keys(shared_sql: SQL, clock: ManualClock) -> ApiKeys:
    return ApiKeys(shared_sql, clock, Supervisor())


async def make(keys: ApiKeys, name: str, *scopes: Scope, by: Principal = OPERATOR, **more: Any) -> tuple[ApiKey, str]:
    return await keys.create(KeyDraft(name, frozenset(scopes), **more), by=by)


async def opens(keys: ApiKeys, token: str, address: str = "") -> bool:
    try:
        await keys.authenticate(token, address)
    except Unauthenticated:
        return False
    return True


def person(**more: Any) -> dict[str, Any]:
    made = {"name": "ann", "role": "administrator", "password_hash": "$2b$", "verified_at": START}
    return {**made, "created_at": START, "modified_at": START, **more}


async def test_nobody_reaches_beyond_their_own_scopes(keys: ApiKeys) -> None:
    with pytest.raises(Forbidden):
        await make(keys, "more", Scope.READ, Scope.ADMIN, by=MANAGER)
    made, _ = await make(keys, "less", Scope.READ, Scope.MANAGE, by=MANAGER)
    assert made.created_by == "mia (user 7)"
    boss, token = await make(keys, "boss", Scope.ADMIN)
    await make(keys, "second boss", Scope.ADMIN)
    for attempt in (
        keys.rotate(boss.id, Rotation(), by=MANAGER),
        keys.revoke(boss.id, by=MANAGER, force=True),
        keys.change(boss.id, KeyChange(frozenset({"app_name"}), "mine"), by=MANAGER, force=True),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert await opens(keys, token) and await keys.count(active_only=True) == 3
    administrator = Principal(PrincipalKind.KEY, str(boss.id), "boss", frozenset({Scope.ADMIN}))
    await make(keys, "writer", Scope.WRITE, by=administrator)


async def test_the_keys_of_a_person_are_found_however_they_were_made(keys: ApiKeys, clock: ManualClock) -> None:
    mine, token = await make(keys, "mine", Scope.READ, Scope.MANAGE, by=MANAGER)
    _, child_token = await make(keys, "child", Scope.READ, Scope.MANAGE, by=await keys.authenticate(token))
    await make(keys, "grandchild", Scope.READ, by=await keys.authenticate(child_token))
    theirs, _ = await make(keys, "theirs", Scope.READ)
    brief, _ = await make(keys, "brief", Scope.MANAGE, by=MANAGER, expires_at=clock.now() + timedelta(seconds=1))

    async def left(*allowed: Scope) -> list[str]:
        return [key.app_name for key in await keys.left_by(7, frozenset(allowed))]

    assert await left() == ["mine", "child", "grandchild", "brief"]
    assert await left(Scope.READ) == ["mine", "child", "brief"]
    clock.advance(1)
    assert await left(Scope.READ, Scope.RESTORE) == ["mine", "child"]
    # a new token is the operator's as well as whose key it was; of who asks for one it is in any case
    again, _ = await keys.rotate(mine.id, Rotation(overlap_s=0), by=OPERATOR)
    taken, _ = await keys.rotate(theirs.id, Rotation(overlap_s=0), by=MANAGER)
    assert (again.created_by_id, taken.created_by_id, theirs.created_by_id) == (7, 7, None)
    await keys.revoke(again.id, by=OPERATOR)
    assert await left() == ["child", "grandchild", "theirs"]
    assert [key.id for key in await keys.keys(created_by_id=7)][:1] == [mine.id] and brief.created_by_id == 7


async def test_a_key_makes_none_that_outlives_it_or_is_good_from_elsewhere(keys: ApiKeys, clock: ManualClock) -> None:
    """Else a leaked one would be as good as one without limits: it would make another first."""
    soon, late = clock.now() + timedelta(days=1), clock.now() + timedelta(days=2)
    limits: dict[str, Any] = {"expires_at": soon, "addresses": ("10.1.0.0/16", "2001:db8::/32")}
    mine, token = await make(keys, "limited", Scope.READ, Scope.MANAGE, **limits)
    free, _ = await make(keys, "free", Scope.READ)
    me = await keys.authenticate(token, HOME)
    for wrong in (
        {},
        {"expires_at": soon},
        {"addresses": (HOME,)},
        {"expires_at": late, "addresses": (HOME,)},
        {"expires_at": soon, "addresses": ("10.0.0.0/8",)},
        {"expires_at": soon, "addresses": (HOME, AWAY)},
    ):
        with pytest.raises(Forbidden):
            await make(keys, "wider", Scope.READ, by=me, **wrong)
    for attempt in (
        keys.change(mine.id, KeyChange(frozenset({"expires_at"})), by=me, address=HOME, force=True),
        keys.change(mine.id, KeyChange(frozenset({"expires_at"}), expires_at=late), by=me, address=HOME, force=True),
        keys.change(mine.id, KeyChange(frozenset({"addresses"})), by=me, address=HOME, force=True),
        keys.rotate(mine.id, Rotation(expires_at=late), by=me),
        keys.rotate(free.id, Rotation(), by=me),  # its token would be the caller's
    ):
        with pytest.raises(Forbidden):
            await attempt
    made, _ = await make(keys, "narrower", Scope.READ, by=me, expires_at=soon, addresses=("10.1.2.0/24", "2001:db8::7"))
    await keys.change(made.id, KeyChange(frozenset({"addresses"}), addresses=(HOME,)), by=me, address=HOME)
    await keys.change(free.id, KeyChange(frozenset({"app_name"}), "renamed"), by=me, address=HOME)
    await keys.rotate(mine.id, Rotation(), by=me)
    await make(keys, "of the manager", Scope.READ, by=MANAGER)


async def test_a_key_is_good_from_its_addresses_alone(keys: ApiKeys) -> None:
    key, token = await make(keys, "scans", Scope.READ, addresses=("10.0.0.0/8", "::ffff:172.16.0.0/108"))
    assert key.addresses == ("10.0.0.0/8", "172.16.0.0/12")
    for address, good in ((HOME, True), ("::ffff:10.1.2.3", True), ("172.16.9.9", True), (AWAY, False), ("", False)):
        assert await opens(keys, token, address) is good
    await keys.change(key.id, KeyChange(frozenset({"addresses"})), by=OPERATOR)
    assert await opens(keys, token, AWAY)
    with pytest.raises(Invalid):
        await keys.change(key.id, KeyChange(frozenset({"addresses"}), addresses=("10.0.0.1/8",)), by=OPERATOR)


async def test_what_is_not_named_stays(keys: ApiKeys, clock: ManualClock) -> None:
    key, token = await make(keys, "scans", Scope.READ, expires_at=clock.now() + timedelta(1), addresses=(HOME,))
    await make(keys, "taken", Scope.READ)
    clock.advance(5)
    changed = await keys.change(key.id, KeyChange(frozenset({"app_name"}), "new name"), by=OPERATOR)
    assert (changed.app_name, changed.expires_at, changed.addresses) == ("new name", key.expires_at, key.addresses)
    assert changed.updated_at == clock.now()
    assert (await keys.authenticate(token, HOME)).called == "new name"
    changed = await keys.change(key.id, KeyChange(frozenset({"expires_at"})), by=OPERATOR)
    assert (changed.app_name, changed.expires_at) == ("new name", None)
    with pytest.raises(Conflict):
        await keys.change(key.id, KeyChange(frozenset({"app_name"}), "taken"), by=OPERATOR)
    with pytest.raises(Invalid):
        await keys.change(key.id, KeyChange(frozenset({"expires_at"}), expires_at=clock.now()), by=OPERATOR)
    with pytest.raises(NotFound):
        await keys.change(key.id + 9, KeyChange(frozenset()), by=OPERATOR)


async def test_one_does_not_shut_oneself_out_by_an_address(keys: ApiKeys) -> None:
    key, token = await make(keys, "mine", Scope.READ, Scope.MANAGE)
    me = await keys.authenticate(token, HOME)
    wanted = KeyChange(frozenset({"addresses"}), addresses=(AWAY,))
    with pytest.raises(Conflict):
        await keys.change(key.id, wanted, by=me, address=HOME)
    await keys.change(key.id, wanted, by=me, address=AWAY)
    await keys.change(key.id, wanted, by=me, address=HOME, force=True)
    assert not await opens(keys, token, HOME)


async def test_the_old_token_is_good_until_the_new_one_arrived(keys: ApiKeys) -> None:
    old, old_token = await make(keys, "scans", Scope.READ, addresses=(HOME,))
    lost, lost_token = await keys.rotate(old.id, Rotation(), by=OPERATOR)
    assert await opens(keys, old_token, HOME)
    new, new_token = await keys.rotate(old.id, Rotation(), by=OPERATOR)  # the first answer never came
    assert not await opens(keys, lost_token, HOME) and await opens(keys, old_token, HOME)
    assert (new.app_name, new.scopes, new.addresses) == (old.app_name, old.scopes, old.addresses)
    assert await opens(keys, new_token, HOME)
    assert not await opens(keys, old_token, HOME) and await opens(keys, new_token, HOME)
    states = [(key.id, key.is_active, key.rotated_to) for key in await keys.keys()]
    assert states == [(old.id, False, new.id), (lost.id, False, None), (new.id, True, None)]
    with pytest.raises(Conflict):
        await keys.rotate(old.id, Rotation(), by=OPERATOR)


async def test_two_tokens_overlap_for_as_long_as_was_said(keys: ApiKeys, clock: ManualClock) -> None:
    old, old_token = await make(keys, "scans", Scope.READ)
    new, new_token = await keys.rotate(old.id, Rotation(overlap_s=60), by=OPERATOR)
    with pytest.raises(Conflict):
        await keys.rotate(old.id, Rotation(), by=OPERATOR)
    for _ in range(2):
        assert await opens(keys, new_token) and await opens(keys, old_token)
        clock.advance(30)
    assert await opens(keys, new_token) and not await opens(keys, old_token)
    _, newest_token = await keys.rotate(new.id, Rotation(overlap_s=0), by=OPERATOR)
    assert await opens(keys, newest_token) and not await opens(keys, new_token)


async def test_a_rotation_prolongs_only_when_asked(keys: ApiKeys, clock: ManualClock) -> None:
    soon, late = clock.now() + timedelta(seconds=10), clock.now() + timedelta(days=9)
    old, _ = await make(keys, "scans", Scope.READ, expires_at=soon)
    same, _ = await keys.rotate(old.id, Rotation(overlap_s=60), by=OPERATOR)
    assert same.expires_at == soon and (await keys.get(old.id)).expires_at == soon
    clock.advance(10)
    with pytest.raises(Invalid):
        await keys.rotate(same.id, Rotation(), by=OPERATOR)
    longer, token = await keys.rotate(same.id, Rotation(expires_at=late), by=OPERATOR)
    assert longer.expires_at == late and await opens(keys, token)


async def test_a_successor_that_is_revoked_unused_leaves_the_key_as_it_was(keys: ApiKeys) -> None:
    old, old_token = await make(keys, "scans", Scope.READ)
    new, _ = await keys.rotate(old.id, Rotation(), by=OPERATOR)
    await keys.revoke(new.id, by=OPERATOR)
    assert await opens(keys, old_token) and (await keys.get(old.id)).rotated_to is None
    with pytest.raises(Conflict):
        await make(keys, "scans", Scope.READ)


async def test_the_last_administrator_is_not_locked_out(keys: ApiKeys, clock: ManualClock) -> None:
    last, _ = await make(keys, "boss", Scope.ADMIN)
    await make(keys, "reader", Scope.READ)
    await make(keys, "brief", Scope.ADMIN, expires_at=clock.now() + timedelta(seconds=1))
    clock.advance(1)
    expiring = KeyChange(frozenset({"expires_at"}), expires_at=clock.now() + timedelta(1))
    for attempt in (
        keys.revoke(last.id, by=OPERATOR),
        keys.change(last.id, expiring, by=OPERATOR),
        keys.rotate(last.id, Rotation(overlap_s=0), by=OPERATOR),
    ):
        with pytest.raises(Conflict, match="last credential"):
            await attempt
    new, token = await keys.rotate(last.id, Rotation(), by=OPERATOR)
    with pytest.raises(Conflict):  # the old one came back, but nobody can tell that its token was kept
        await keys.revoke((await _used(keys, new, token)).id, by=OPERATOR)
    assert not (await keys.revoke(new.id, by=OPERATOR, force=True)).is_active


async def _used(keys: ApiKeys, key: ApiKey, token: str) -> ApiKey:
    await keys.authenticate(token)
    return key


async def test_a_rotated_administrator_that_ends_counts_no_more(keys: ApiKeys) -> None:
    old, _ = await make(keys, "boss", Scope.ADMIN)
    new, _ = await keys.rotate(old.id, Rotation(overlap_s=60), by=OPERATOR)
    await keys.revoke(old.id, by=OPERATOR)
    with pytest.raises(Conflict):
        await keys.revoke(new.id, by=OPERATOR)


async def add(sql: SQL, row: dict[str, Any]) -> None:
    await sql.write(lambda connection: insert_rows(connection, users, [row]))


async def test_a_person_who_administers_is_enough(keys: ApiKeys, shared_sql: SQL) -> None:
    last, _ = await make(keys, "boss", Scope.ADMIN)
    nobody: tuple[dict[str, Any], ...] = (
        {"role": "manager"},
        {"verified_at": None},
        {"disabled_at": START},
        {"deleted_at": START},
        {"password_hash": None},  # has yet to set one
    )
    for missing in nobody:
        await add(shared_sql, person(**missing))
        with pytest.raises(Conflict):
            await keys.revoke(last.id, by=OPERATOR)
    await add(shared_sql, person())
    await keys.revoke(last.id, by=OPERATOR)


@asynccontextmanager
async def two_processes(database: Database, clock: ManualClock) -> AsyncIterator[list[ApiKeys]]:
    """Two of everything on one database; with SQLite two connections of what is never two servers."""
    both = [SQL.build(database.settings, database.folder) for _ in range(2)]
    for sql in both:
        await sql.start()
    try:
        yield [ApiKeys(sql, clock, Supervisor()) for sql in both]
    finally:
        for sql in both:
            await sql.stop()


async def test_two_processes_cannot_each_take_the_last_but_one(
    shared_database: Database, shared_sql: SQL, clock: ManualClock
) -> None:
    async with two_processes(shared_database, clock) as both:
        for attempt in range(5):
            pair = [await make(both[0], f"boss {attempt} {n}", Scope.ADMIN) for n in range(2)]
            ended = await asyncio.gather(
                *(keys.revoke(key.id, by=OPERATOR) for keys, (key, _) in zip(both, pair, strict=True)),
                return_exceptions=True,
            )
            assert [type(one) for one in ended if isinstance(one, Exception)] == [Conflict]
            left = await both[0].keys(active_only=True)
            assert len(left) == 1
            await both[0].revoke(left[0].id, by=OPERATOR, force=True)


async def test_two_processes_that_rotate_one_key_leave_one_successor(
    shared_database: Database, shared_sql: SQL, clock: ManualClock
) -> None:
    async with two_processes(shared_database, clock) as both:
        for overlap_s in (None, 60.0, 0.0):
            key, _ = await make(both[0], f"scans {overlap_s}", Scope.READ)
            made = await asyncio.gather(
                *(keys.rotate(key.id, Rotation(overlap_s), by=OPERATOR) for keys in both), return_exceptions=True
            )
            tokens = [one[1] for one in made if isinstance(one, tuple)]
            refused = [type(one) for one in made if isinstance(one, Exception)]
            assert refused == ([] if overlap_s is None else [Conflict])
            assert sum([await opens(both[0], token) for token in tokens]) == 1
            named = [one for one in await both[0].keys(active_only=True) if one.app_name == key.app_name]
            assert sum(one.rotated_to is None for one in named) == 1


async def test_a_key_used_twice_at_once_ends_the_one_it_replaces_once(
    shared_database: Database, shared_sql: SQL, clock: ManualClock
) -> None:
    async with two_processes(shared_database, clock) as both:
        old, old_token = await make(both[0], "scans", Scope.READ)
        new, token = await both[0].rotate(old.id, Rotation(), by=OPERATOR)
        assert all(await asyncio.gather(*(opens(keys, token) for keys in both * 4)))
        assert not await opens(both[1], old_token)
        newest, _ = await both[1].rotate(new.id, Rotation(), by=OPERATOR)
        assert newest.app_name == "scans"
