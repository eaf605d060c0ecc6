"""Sessions from the login to their end, over both databases."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace

import pytest
from sqlalchemy import delete, func, select

from backend.src.config.settings import CacheSettings
from backend.src.core.errors import Unauthenticated
from backend.src.infra.cache import Redis
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import audit, login_failures, refresh_tokens, sessions, signing_keys
from backend.src.services.accounts import (
    Fault,
    OAuthRefused,
    PrincipalKind,
    Role,
    Scope,
    TokenPair,
    Visit,
    access_tokens,
)
from backend.src.services.accounts.credential_memory import LIFETIME_S
from backend.src.services.accounts.lockout import LockedOut
from backend.src.services.accounts.refresh_tokens import GRACE_S
from backend.src.services.accounts.session_rows import TABLES, SessionNotFound
from tests.contracts.logins import Logins
from tests.contracts.people import OTHER_PASSWORD, PASSWORD
from tests.contracts.shared_database import Database
from tests.manual_clock import ManualClock

NOBODY = Visit()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def logins(shared_sql: SQL, clock: ManualClock) -> AsyncIterator[Logins]:
    await shared_sql.write(lambda c: [c.execute(delete(table)) for table in (signing_keys, login_failures)])
    logins = Logins(shared_sql, clock)
    await logins.start()
    yield logins
    await logins.stop()


async def refused(logins: Logins, token: str, visit: Visit = NOBODY) -> Fault:
    with pytest.raises(OAuthRefused) as error:
        await logins.oauth.refresh(token, visit)
    return error.value.fault


async def refresh(logins: Logins, pair: TokenPair) -> TokenPair:
    return await logins.oauth.refresh(pair.refresh_token, NOBODY)


# -- logging in -----------------------------------------------------------------------------------------------


async def test_a_login_gives_the_scopes_of_the_role(logins: Logins) -> None:
    user = await logins.people.make("ann", Role.OPERATOR)
    pair = await logins.log_in(device="curl/8", address="192.0.2.7")
    principal = await logins.bearer.authenticate(pair.access_token)
    assert (principal.kind, principal.id, principal.called) == (PrincipalKind.USER, str(user.id), "ann")
    assert principal.scopes == Role.OPERATOR.scopes == frozenset(pair.scopes)
    assert principal.session == pair.session_id
    (session,) = await logins.sessions.of(user.id, limit=10)
    assert (session.device, session.address, session.method) == ("curl/8", "192.0.2.7", "password")
    assert await logins.noted("login") == 1


async def test_a_login_for_less_gets_less_for_good(logins: Logins) -> None:
    user = await logins.people.make("ann", Role.OPERATOR)
    pair = await logins.log_in(scopes=frozenset({Scope.READ, Scope.ADMIN}))
    assert pair.scopes == (Scope.READ,)
    await logins.people.users.set_role(user.id, Role.ADMINISTRATOR)
    pair = await refresh(logins, pair)
    assert pair.scopes == (Scope.READ,), "the session was for reading"
    principal = await logins.bearer.authenticate(pair.access_token)
    assert principal.scopes == {Scope.READ} == (await logins.bearer.still_holds(principal)).scopes
    with pytest.raises(OAuthRefused) as error:
        await logins.log_in(scopes=frozenset())
    assert error.value.fault is Fault.INVALID_SCOPE


async def test_who_cannot_log_in_is_noted_without_what_was_typed(logins: Logins) -> None:
    await logins.people.make("ann")
    for email, password in (("ann@lab.example", "wrong"), ("hunter2 by mistake", PASSWORD), ("bob@lab.example", "x")):
        with pytest.raises(Unauthenticated):
            await logins.oauth.log_in(email, password, NOBODY)
    assert await logins.noted("login.failed") == 3
    rows = await logins.sql.read(lambda c: str(c.exec_driver_sql("SELECT * FROM audit").all()))
    assert "hunter2" not in rows and "wrong" not in rows


async def test_a_lock_out_is_noted_once_and_under_one_name_however_it_is_spelled(logins: Logins) -> None:
    """What is refused while it lasts is not: a stranger could fill the table with it."""
    for spelling in ("ann@lab.example", " ANN@lab.example", "\uff21nn@lab.example") * 10:  # a full-width A
        with pytest.raises(Unauthenticated) as error:
            await logins.oauth.log_in(spelling, "wrong", NOBODY)
    assert isinstance(error.value, LockedOut)
    assert await logins.noted("login.failed") == logins.people.settings.lockout_failures
    assert await logins.noted("login.locked") == 1
    details = await logins.sql.read(lambda c: {entry["name"] for entry in c.scalars(select(audit.c.detail))})
    assert len(details) == 1


async def test_no_token_is_in_the_database(logins: Logins) -> None:
    await logins.people.make("ann")
    pair = await logins.log_in()
    queries = [f"SELECT * FROM {table}" for table in ("sessions", "refresh_tokens", "signing_keys", "audit")]
    for text in await logins.sql.read(lambda c: [str(c.exec_driver_sql(query).all()) for query in queries]):
        assert pair.refresh_token not in text and pair.access_token not in text
        assert str((await logins.keys.current()).secret) not in text
    assert pair.access_token not in repr(pair) and pair.refresh_token not in repr(pair)


async def test_a_password_changed_during_the_login_ends_it(logins: Logins) -> None:
    """The old password was right when it was looked at; every session of before has been ended since."""
    user = await logins.people.make("ann")
    right = logins.people.users.authenticate

    async def overtaken(email: str, password: str) -> object:
        found = await right(email, password)
        logins.clock.advance(1)
        await logins.people.profiles.change_password(user.id, PASSWORD, OTHER_PASSWORD, session=None)
        return found

    logins.people.users.authenticate = overtaken  # type: ignore[method-assign, assignment]
    with pytest.raises(Unauthenticated):
        await logins.log_in()
    assert await logins.sessions.of(user.id, limit=10) == []


# -- refreshing -----------------------------------------------------------------------------------------------


async def test_a_refresh_token_is_used_once(logins: Logins) -> None:
    await logins.people.make("ann")
    first = await logins.log_in()
    second = await refresh(logins, first)
    assert second.session_id == first.session_id and second.refresh_token != first.refresh_token
    third = await refresh(logins, second)
    assert await logins.holds(third)
    assert await refused(logins, first.refresh_token) is Fault.INVALID_GRANT, "its successor was used: two hold it"
    assert not await logins.holds(third)
    assert await refused(logins, third.refresh_token) is Fault.INVALID_GRANT
    with pytest.raises(Unauthenticated):
        await logins.bearer.authenticate(third.access_token)
    written = logins.sql.written(TABLES)
    assert await refused(logins, first.refresh_token) is Fault.INVALID_GRANT
    assert logins.sql.written(TABLES) == written, "what had ended already makes nobody's cached session stale"
    assert await logins.noted("session.reuse") == 1


async def test_a_lost_answer_may_be_asked_for_again(logins: Logins, clock: ManualClock) -> None:
    await logins.people.make("ann")
    first = await logins.log_in()
    lost = await refresh(logins, first)
    clock.advance(GRACE_S)
    second = await refresh(logins, first)
    assert await logins.holds(second)
    third = await refresh(logins, second)
    assert await logins.holds(third)
    # whoever has the answer that was taken for lost is a second holder
    assert await refused(logins, lost.refresh_token) is Fault.INVALID_GRANT
    assert not await logins.holds(third)


async def test_after_a_moment_no_answer_was_lost(logins: Logins, clock: ManualClock) -> None:
    await logins.people.make("ann")
    first = await logins.log_in()
    second = await refresh(logins, first)
    clock.advance(GRACE_S + 0.1)
    assert await refused(logins, first.refresh_token) is Fault.INVALID_GRANT
    assert not await logins.holds(second)


async def test_of_many_at_once_nobody_is_logged_out_and_one_token_remains(logins: Logins) -> None:
    await logins.people.make("ann")
    first = await logins.log_in()
    pairs = await asyncio.gather(*(refresh(logins, first) for _ in range(8)))
    assert len({pair.refresh_token for pair in pairs}) == 8
    unused = select(func.count()).select_from(refresh_tokens).where(refresh_tokens.c.used_at.is_(None))
    assert await logins.sql.read(lambda c: c.scalar(unused)) == 1
    assert await logins.holds(pairs[0])


async def test_a_refresh_may_ask_for_less_but_not_for_more(logins: Logins) -> None:
    await logins.people.make("ann", Role.MANAGER)
    pair = await logins.log_in(scopes=frozenset({Scope.READ, Scope.WRITE}))
    assert await refused(logins, pair.refresh_token, Visit(scopes=frozenset({Scope.RESTORE}))) is Fault.INVALID_SCOPE
    narrow = await logins.oauth.refresh(pair.refresh_token, Visit(scopes=frozenset({Scope.READ, Scope.MANAGE})))
    assert narrow.scopes == (Scope.READ,), "a refusal uses nothing up"
    assert (await logins.bearer.authenticate(narrow.access_token)).scopes == {Scope.READ}
    assert (await refresh(logins, narrow)).scopes == (Scope.READ, Scope.WRITE)


async def test_a_token_belongs_to_its_client(logins: Logins) -> None:
    await logins.people.make("ann")
    pair = await logins.log_in(client_id="larder-docs")
    assert await refused(logins, pair.refresh_token) is Fault.INVALID_GRANT
    assert await refused(logins, pair.refresh_token, Visit("another")) is Fault.INVALID_GRANT
    assert await logins.oauth.refresh(pair.refresh_token, Visit("larder-docs"))


async def test_a_session_ends_when_nobody_refreshes_it_and_in_any_case(shared_sql: SQL, clock: ManualClock) -> None:
    logins = Logins(shared_sql, clock, refresh_token_s=100.0, session_s=250.0, access_token_s=60.0)
    await logins.start()
    user = await logins.people.make("ann")
    idle, busy = await logins.log_in(), await logins.log_in()
    clock.advance(90)
    busy = await refresh(logins, busy)
    clock.advance(20)
    assert await refused(logins, idle.refresh_token) is Fault.INVALID_GRANT
    assert [one.id for one in await logins.sessions.of(user.id, limit=10)] == [busy.session_id]
    clock.advance(70)
    busy = await refresh(logins, busy)
    clock.advance(60)
    busy = await refresh(logins, busy)
    assert busy.expires_in_s == 10, "no token outlives its session"
    clock.advance(10)
    assert not await logins.holds(busy)
    assert await refused(logins, busy.refresh_token) is Fault.INVALID_GRANT
    await logins.stop()


@pytest.mark.parametrize("text", ["", "lrr_", "lrr_" + "a" * 43, "lrr_" + "é" * 43, "lrd_00000000_x", "\x00", "' --"])
async def test_what_is_no_refresh_token_is_refused(logins: Logins, text: str) -> None:
    assert await refused(logins, text) is Fault.INVALID_GRANT


# -- the end --------------------------------------------------------------------------------------------------


async def test_one_session_is_ended_or_all_but_one(logins: Logins) -> None:
    user, other = await logins.people.make("ann"), await logins.people.make("bob")
    pairs = [await logins.log_in() for _ in range(4)]
    bobs = await logins.log_in("bob")
    for pair in (*pairs, bobs):
        await logins.bearer.authenticate(pair.access_token)
    written = logins.sql.written(TABLES)
    with pytest.raises(SessionNotFound):
        await logins.sessions.revoke(pairs[0].session_id, "logout", user_id=other.id)
    assert logins.sql.written(TABLES) == written
    await logins.sessions.revoke(pairs[0].session_id, "logout", user_id=user.id)
    with pytest.raises(Unauthenticated):  # at once, although it was remembered
        await logins.bearer.authenticate(pairs[0].access_token)
    with pytest.raises(SessionNotFound):
        await logins.sessions.revoke(pairs[0].session_id, "logout", user_id=user.id)
    await logins.sessions.revoke_all(user.id, "logout", keep=pairs[1].session_id)
    assert [await logins.holds(pair) for pair in (*pairs, bobs)] == [False, True, False, False, True]
    assert await refused(logins, pairs[2].refresh_token) is Fault.INVALID_GRANT


async def test_what_ends_trust_ends_the_sessions(logins: Logins) -> None:
    await logins.people.make("root", Role.ADMINISTRATOR)
    user = await logins.people.make("ann", Role.MANAGER)
    users, profiles = logins.people.users, logins.people.profiles

    async def ends(act: Awaitable[object]) -> None:
        pair = await logins.log_in()
        await logins.bearer.authenticate(pair.access_token)
        await act
        logins.clock.advance(1)
        with pytest.raises(Unauthenticated):
            await logins.bearer.authenticate(pair.access_token)
        assert await refused(logins, pair.refresh_token) is Fault.INVALID_GRANT

    await ends(users.set_role(user.id, Role.VIEWER))
    await ends(users.disable(user.id))
    await users.enable(user.id)
    await ends(profiles.change_password(user.id, PASSWORD, OTHER_PASSWORD, session=None))
    await profiles.change_password(user.id, OTHER_PASSWORD, PASSWORD, session=None)
    await ends(users.delete(user.id))


async def test_a_role_that_grows_is_known_at_once_and_used_with_the_next_refresh(logins: Logins) -> None:
    user = await logins.people.make("ann", Role.VIEWER)
    pair = await logins.log_in()
    await logins.people.users.set_role(user.id, Role.OPERATOR)
    assert (await logins.bearer.authenticate(pair.access_token)).scopes == {Scope.READ}
    pair = await refresh(logins, pair)
    assert (await logins.bearer.authenticate(pair.access_token)).scopes == Role.OPERATOR.scopes


async def test_who_stays_longer_than_a_token_is_asked_for_the_session(logins: Logins, clock: ManualClock) -> None:
    user = await logins.people.make("ann", Role.OPERATOR)
    pair = await logins.log_in()
    principal = await logins.bearer.authenticate(pair.access_token)
    clock.advance(3_600)
    with pytest.raises(Unauthenticated):
        await logins.bearer.authenticate(pair.access_token)
    assert await logins.bearer.still_holds(principal) == principal
    await logins.sessions.revoke_all(user.id, "logout")
    with pytest.raises(Unauthenticated):
        await logins.bearer.still_holds(principal)


async def test_a_session_that_nobody_refreshed_holds_no_more(shared_database: Database, shared_sql: SQL) -> None:
    """Its row is still there, and in the cache: there it ends when the last refresh that the cache saw said."""
    clock, redis, idle_s = ManualClock(), Redis.build(CacheSettings()), 1_000.0
    await redis.start()
    sql: SQL = SQL.build(shared_database.settings, shared_database.folder, redis)
    await sql.start()
    logins = Logins(sql, clock, refresh_token_s=idle_s)
    await logins.start()
    await logins.people.make("ann")
    pair = await logins.log_in()
    principal = await logins.bearer.authenticate(pair.access_token)
    assert await logins.bearer.still_holds(principal) == principal
    clock.advance(idle_s - 1)
    await refresh(logins, pair)
    clock.advance(idle_s - 1)
    assert await logins.bearer.still_holds(principal) == principal
    clock.advance(1)
    with pytest.raises(Unauthenticated):
        await logins.bearer.still_holds(principal)
    await logins.stop()
    await sql.stop()
    await redis.stop()


async def test_sessions_are_listed_newest_first_and_in_pages(logins: Logins, clock: ManualClock) -> None:
    user = await logins.people.make("ann")
    ids = []
    for _ in range(5):
        ids.append((await logins.log_in()).session_id)
        clock.advance(1)
    listed = await logins.sessions.of(user.id, limit=2)
    while len(listed) < 5:
        listed += await logins.sessions.of(user.id, after=(listed[-1].created_at, listed[-1].id), limit=2)
    assert [session.id for session in listed] == ids[::-1]


async def test_last_use_is_written_apart_from_the_requests(logins: Logins, clock: ManualClock) -> None:
    user = await logins.people.make("ann")
    pair = await logins.log_in()
    clock.advance(30)
    await logins.bearer.authenticate(pair.access_token)
    (session,) = await logins.sessions.of(user.id, limit=10)
    assert session.last_used_at == session.created_at
    await logins.sessions.last_use.write_once()
    (session,) = await logins.sessions.of(user.id, limit=10)
    assert session.last_used_at == clock.now()


async def test_a_token_is_revoked_and_introspected_whatever_its_kind(logins: Logins, clock: ManualClock) -> None:
    await logins.people.make("ann")
    pair = await logins.log_in()
    access, refreshing = [await logins.inspection.state(one) for one in (pair.access_token, pair.refresh_token)]
    assert access is not None and refreshing is not None
    assert (access.username, access.session_id, access.scopes) == ("ann@lab.example", pair.session_id, pair.scopes)
    assert refreshing.expires_at > access.expires_at and refreshing.session_id == access.session_id
    for nothing in ("", "x", "lrr_" + "a" * 43, pair.access_token + "A", pair.access_token[:-5]):
        assert await logins.inspection.state(nothing) is None
        await logins.inspection.revoke(nothing)
    assert await logins.holds(pair)
    await logins.inspection.revoke(pair.refresh_token)
    written = logins.sql.written(TABLES)
    await logins.inspection.revoke(pair.refresh_token)
    assert logins.sql.written(TABLES) == written, "whoever repeats it makes nobody's session stale"
    assert await logins.noted("session.revoke") == 1
    assert await logins.inspection.state(pair.access_token) is None
    assert await logins.inspection.state(pair.refresh_token) is None
    pair = await logins.log_in()
    await logins.inspection.revoke(pair.access_token)
    assert await logins.inspection.state(pair.refresh_token) is None


async def test_a_token_of_somebody_elses_session_is_refused(logins: Logins) -> None:
    """Rightly signed, with a `sub` that is not the session's: no code of ours makes one."""
    await logins.people.make("ann")
    pair = await logins.log_in()
    said = await logins.bearer.read(pair.access_token)
    from_key = access_tokens.mint(await logins.keys.current(), replace(said, user_id=said.user_id + 1))
    with pytest.raises(Unauthenticated):
        await logins.bearer.authenticate(from_key)
    assert await logins.inspection.state(from_key) is None


# -- cost -----------------------------------------------------------------------------------------------------


async def test_a_check_from_memory_takes_less_than_a_fifth_of_a_millisecond(logins: Logins) -> None:
    await logins.people.make("ann")
    token = (await logins.log_in()).access_token
    await logins.bearer.authenticate(token)
    times_us, statements = [], logins.sql.figures.statements
    for _ in range(200):
        began = time.thread_time_ns()  # of this thread alone: however busy the machine is
        await logins.bearer.authenticate(token)
        times_us.append((time.thread_time_ns() - began) / 1_000)
    assert statistics.median(times_us) < 200
    assert logins.sql.figures.statements == statements, "from memory: its clock stands still"
    logins.clock.advance(LIFETIME_S)
    await logins.sql.write(lambda c: c.execute(delete(sessions)))  # behind its back: remembered for a second at most
    with pytest.raises(Unauthenticated):
        await logins.bearer.authenticate(token)
