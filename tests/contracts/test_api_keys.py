"""API keys over both databases, with and without a cache, in one process and in two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.src.config.settings import SqlSettings
from backend.src.core.errors import Conflict, Invalid, NotFound, Unauthenticated
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import Redis
from backend.src.infra.sql import SQL
from backend.src.services.accounts import ApiKey, ApiKeys, KeyDraft, Principal, PrincipalKind, Scope
from backend.src.services.accounts.credential_memory import LIFETIME_S
from backend.src.services.accounts.tokens import hash_of, new_token
from tests.manual_clock import ManualClock

OPERATOR = Principal(PrincipalKind.LOCAL, "ann", "ann", frozenset(Scope))


async def make(keys: ApiKeys, name: str, *scopes: Scope, **more: Any) -> tuple[ApiKey, str]:
    return await keys.create(KeyDraft(name, frozenset(scopes), **more), by=OPERATOR)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    await supervisor.stop()


@pytest.fixture
async def keys(shared_sql: SQL, clock: ManualClock, supervisor: Supervisor) -> AsyncIterator[ApiKeys]:
    service = ApiKeys(shared_sql, clock, supervisor)
    await service.start()
    yield service
    await service.stop()


async def test_a_key_opens_with_its_token_and_nothing_else(keys: ApiKeys) -> None:
    key, token = await make(keys, "scans", Scope.WRITE, Scope.READ)
    assert key.scopes == (Scope.READ, Scope.WRITE)
    principal = await keys.authenticate(token)
    assert (principal.kind, principal.id, principal.name) == (PrincipalKind.KEY, str(key.id), f"scans (key {key.id})")
    assert principal.scopes == {Scope.READ, Scope.WRITE}
    for wrong in (new_token(), token[:-1] + ("a" if token[-1] != "a" else "b"), hash_of(token), "", "' OR 1=1 --"):
        with pytest.raises(Unauthenticated):
            await keys.authenticate(wrong)


async def test_the_token_is_nowhere_in_the_database(keys: ApiKeys, shared_sql: SQL) -> None:
    _, token = await make(keys, "scans", Scope.READ)
    rows = await shared_sql.read(lambda c: str(c.exec_driver_sql("SELECT * FROM api_keys").all()))
    assert token not in rows and token.split("_", 2)[2] not in rows and hash_of(token) in rows


async def test_a_revoked_key_is_refused_at_once(keys: ApiKeys) -> None:
    key, token = await make(keys, "scans", Scope.READ)
    me = await keys.authenticate(token)
    with pytest.raises(Conflict):
        await keys.revoke(key.id, by=me)
    assert not (await keys.revoke(key.id, by=me, force=True)).is_active
    with pytest.raises(Unauthenticated):
        await keys.authenticate(token)
    with pytest.raises(Conflict):
        await keys.revoke(key.id, by=me, force=True)
    with pytest.raises(NotFound):
        await keys.revoke(key.id + 1, by=me)


async def test_a_revocation_during_authentication_is_not_forgotten(keys: ApiKeys) -> None:
    """What was read before the revocation must not be remembered after it."""
    _, other_token = await make(keys, "admin", Scope.ADMIN)
    by = await keys.authenticate(other_token)
    for number in range(20):
        key, token = await make(keys, f"scans {number}", Scope.READ)
        reading = [asyncio.create_task(keys.authenticate(token)) for _ in range(3)]
        await keys.revoke(key.id, by=by)
        await asyncio.gather(*reading, return_exceptions=True)
        with pytest.raises(Unauthenticated):
            await keys.authenticate(token)


async def test_expiry_is_checked_on_every_use(keys: ApiKeys, clock: ManualClock) -> None:
    _, token = await make(keys, "scans", Scope.READ, expires_at=clock.now() + timedelta(seconds=60))
    clock.advance(59)
    await keys.authenticate(token)
    clock.advance(1)
    with pytest.raises(Unauthenticated):
        await keys.authenticate(token)


async def test_a_key_that_makes_no_sense_is_not_made(keys: ApiKeys, clock: ManualClock) -> None:
    with pytest.raises(Invalid):
        await make(keys, "nothing")
    with pytest.raises(Invalid):
        await make(keys, "late", Scope.READ, expires_at=clock.now())
    assert await keys.count() == 0


async def test_a_name_is_free_again_once_its_key_is_revoked(keys: ApiKeys) -> None:
    first, token = await make(keys, "scans", Scope.READ)
    with pytest.raises(Conflict):
        await make(keys, "scans", Scope.READ)
    await make(keys, "Scans", Scope.READ)  # another name: they compare binary
    await keys.revoke(first.id, by=await keys.authenticate(token), force=True)
    second, _ = await make(keys, "scans", Scope.READ)
    assert [(key.id, key.is_active) for key in await keys.keys() if key.app_name == "scans"] == [
        (first.id, False),
        (second.id, True),
    ]
    assert (await keys.count(), await keys.count(active_only=True)) == (3, 2)
    assert len(await keys.keys(active_only=True)) == 2


async def test_two_at_once_cannot_take_one_name(keys: ApiKeys) -> None:
    made = await asyncio.gather(*(make(keys, "scans", Scope.READ) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one, tuple) for one in made) == 1
    assert all(isinstance(one, tuple | Conflict) for one in made)


async def test_last_use_is_written_apart_from_the_requests(keys: ApiKeys, clock: ManualClock) -> None:
    key, token = await make(keys, "scans", Scope.READ)
    for _ in range(5):
        clock.advance(1)
        await keys.authenticate(token)
    assert (await keys.keys())[0].last_used_at is None
    await keys.last_use.write_once()
    assert (await keys.keys())[0].last_used_at == clock.now()
    assert (await keys.keys())[0].updated_at == key.updated_at


async def test_a_revocation_elsewhere_is_known_within_a_second(
    sql_settings: SqlSettings, cache: Redis, tmp_path: Path, clock: ManualClock, supervisor: Supervisor
) -> None:
    """Two processes on one database and one cache."""
    if sql_settings.embedded:
        pytest.skip("SQLite has one process")
    here, there = (SQL.build(sql_settings, tmp_path, cache) for _ in range(2))
    await here.start()
    await there.start()
    ours, theirs = (ApiKeys(sql, clock, supervisor) for sql in (here, there))
    key, token = await make(ours, "scans", Scope.READ)
    for _ in range(2):  # the second time from the cache
        me = await theirs.authenticate(token)
        await ours.authenticate(token)
    await ours.revoke(key.id, by=me, force=True)
    with pytest.raises(Unauthenticated):  # here: at once
        await ours.authenticate(token)
    clock.advance(LIFETIME_S)
    with pytest.raises(Unauthenticated):
        await theirs.authenticate(token)
    await here.stop()
    await there.stop()
