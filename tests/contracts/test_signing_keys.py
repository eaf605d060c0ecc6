"""The keys of access tokens, and authorization codes, over both databases; two processes on one of them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from backend.src.config.settings import CacheSettings, SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.errors import Unauthenticated
from backend.src.infra.cache import Redis
from backend.src.infra.sql import SQL, migrate
from backend.src.infra.sql.tables import authorization_codes, login_failures, signing_keys
from backend.src.services.accounts import CodeRequest, Fault, OAuthRefused, Role, Scope, Visit
from backend.src.services.accounts.access_tokens import key_id_of
from backend.src.services.accounts.authorization_codes import LIFETIME_S as CODE_LIFETIME_S
from backend.src.services.accounts.signing_keys import KEEP_MARGIN_S
from tests.contracts.logins import Logins
from tests.contracts.people import PASSWORD
from tests.contracts.served_time import ServedTime
from tests.contracts.shared_database import Database
from tests.manual_clock import ManualClock

VERIFIER = "a" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "https://larder.lab.example/_docs/oauth2-redirect"
ASKED = CodeRequest("larder-docs", BACK, CHALLENGE, None)
DOCS = Visit("larder-docs")
ANN = "ann@lab.example"
SEES_IT_WITHIN_S = 5.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def logins(shared_sql: SQL, clock: ManualClock) -> AsyncIterator[Logins]:
    await shared_sql.write(lambda c: [c.execute(delete(table)) for table in (signing_keys, login_failures)])
    logins = Logins(shared_sql, clock, signing_key_s=1_000.0, access_token_s=100.0)
    await logins.start()
    await logins.people.make("ann", Role.OPERATOR)
    yield logins
    await logins.stop()


async def count(sql: SQL) -> int:
    return await sql.read(lambda c: c.scalar(select(func.count()).select_from(signing_keys)) or 0)


# -- keys -----------------------------------------------------------------------------------------------------


async def test_a_new_key_signs_and_what_the_old_one_signed_stays_good(logins: Logins, clock: ManualClock) -> None:
    old = await logins.log_in()
    assert not await logins.keys.rotate_if_due()
    clock.advance(1_000)
    before = await logins.log_in()
    assert await logins.keys.rotate_if_due()
    after = await logins.log_in()
    assert key_id_of(old.access_token) == key_id_of(before.access_token) != key_id_of(after.access_token)
    assert await logins.holds(before) and await logins.holds(after)
    assert not await logins.keys.rotate_if_due()
    assert await count(logins.sql) == 2


async def test_a_replaced_key_goes_when_nothing_it_signed_is_left(logins: Logins, clock: ManualClock) -> None:
    first = await logins.keys.current()
    clock.advance(1_000)
    assert await logins.keys.rotate_if_due()
    clock.advance(100 + KEEP_MARGIN_S - 1)
    await logins.keys.rotate_if_due()
    assert await logins.keys.find(first.kid) is not None
    clock.advance(2)
    await logins.keys.rotate_if_due()
    assert await logins.keys.find(first.kid) is None
    assert await count(logins.sql) == 1


async def test_of_many_who_find_it_due_one_makes_the_key(logins: Logins, clock: ManualClock) -> None:
    keys = [Logins(logins.sql, clock, signing_key_s=1_000.0).keys for _ in range(6)]
    found = await asyncio.gather(*(each.current() for each in keys))
    assert len({key.kid for key in found}) == 1, "the first key, too, is made once"
    clock.advance(1_000)
    assert sum(await asyncio.gather(*(each.rotate_if_due() for each in keys))) == 1
    assert await count(logins.sql) == 2


async def test_a_key_made_elsewhere_is_found_at_once(
    logins: Logins, shared_database: Database, clock: ManualClock
) -> None:
    sql: SQL = SQL.build(shared_database.settings, shared_database.folder)  # another process
    await sql.start()
    elsewhere = Logins(sql, clock, signing_key_s=1_000.0)
    await logins.keys.current()  # remembered here
    clock.advance(1_000)
    await logins.keys.current()
    assert await elsewhere.keys.rotate_if_due()
    made = await elsewhere.keys.current()
    assert await logins.keys.find(made.kid) == made
    assert await logins.keys.find("0" * 16) is None
    await sql.stop()


async def test_with_another_secret_key_nobody_is_locked_out_for_good(logins: Logins, clock: ManualClock) -> None:
    pair = await logins.log_in()
    changed = Logins(logins.sql, clock, secret_key="another secret key, of 32 or more")
    with pytest.raises(Unauthenticated):
        await changed.bearer.authenticate(pair.access_token)
    await changed.start()
    new = await changed.log_in()
    assert await changed.holds(new)
    refreshed = await changed.oauth.refresh(pair.refresh_token, Visit())
    assert await changed.holds(refreshed), "refresh tokens need no key"
    assert (await changed.keys.current()).kid != (await logins.keys.current()).kid, "neither takes the other's away"
    await changed.stop()


# -- codes ----------------------------------------------------------------------------------------------------


async def code_of(logins: Logins, **changes: object) -> str:
    return await logins.oauth.make_code(ANN, PASSWORD, replace(ASKED, **changes), DOCS)  # type: ignore[arg-type]


async def test_a_code_is_exchanged_once_by_whoever_has_the_verifier(logins: Logins) -> None:
    code = await code_of(logins, scopes=(Scope.READ, Scope.ADMIN))
    text = await logins.sql.read(lambda c: str(c.exec_driver_sql("SELECT * FROM authorization_codes").all()))
    assert code not in text
    pair = await logins.oauth.redeem_code(code, VERIFIER, BACK, DOCS)
    assert pair.scopes == (Scope.READ,) and await logins.holds(pair)
    with pytest.raises(OAuthRefused) as error:
        await logins.oauth.redeem_code(code, VERIFIER, BACK, DOCS)
    assert error.value.fault is Fault.INVALID_GRANT
    assert not await logins.holds(pair), "two have the code: what it gave is taken back"
    written = logins.sql.written(("sessions",))
    with pytest.raises(OAuthRefused):
        await logins.oauth.redeem_code(code, VERIFIER, BACK, DOCS)
    assert logins.sql.written(("sessions",)) == written, "a third time there is nothing left to end"


@pytest.mark.parametrize(
    ("verifier", "back", "visit"),
    [
        ("b" * 43, BACK, DOCS),
        (CHALLENGE, BACK, DOCS),
        ("", BACK, DOCS),
        ("a" * 42, BACK, DOCS),
        ("a" * 129, BACK, DOCS),
        (VERIFIER, BACK + "/", DOCS),
        (VERIFIER, "https://evil.example/_docs/oauth2-redirect", DOCS),
        (VERIFIER, BACK, Visit()),
        (VERIFIER, BACK, Visit("another")),
    ],
)
async def test_a_stolen_code_opens_nothing(logins: Logins, verifier: str, back: str, visit: Visit) -> None:
    code = await code_of(logins)
    with pytest.raises(OAuthRefused):
        await logins.oauth.redeem_code(code, verifier, back, visit)
    assert await logins.oauth.redeem_code(code, VERIFIER, BACK, DOCS), "its owner can still use it"


async def test_a_code_lives_a_minute_and_not_longer_than_the_password(logins: Logins, clock: ManualClock) -> None:
    code = await code_of(logins)
    clock.advance(CODE_LIFETIME_S)
    with pytest.raises(OAuthRefused):
        await logins.oauth.redeem_code(code, VERIFIER, BACK, DOCS)
    code = await code_of(logins)
    clock.advance(1)
    user = await logins.people.find(ANN)
    assert user is not None
    await logins.people.users.disable(user.id)
    with pytest.raises(Unauthenticated):
        await logins.oauth.redeem_code(code, VERIFIER, BACK, DOCS)
    unused = select(func.count()).select_from(authorization_codes).where(authorization_codes.c.used_at.is_not(None))
    assert await logins.sql.read(lambda c: c.scalar(unused)) == 0, "what was refused was not kept"


async def test_of_two_at_once_one_gets_the_tokens(logins: Logins) -> None:
    code = await code_of(logins)
    exchanges = (logins.oauth.redeem_code(code, VERIFIER, BACK, DOCS) for _ in range(4))
    got = await asyncio.gather(*exchanges, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in got) == 1
    assert all(isinstance(one, OAuthRefused) for one in got if isinstance(one, BaseException))


# -- two processes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("redis_is_there", [True, False])
async def test_a_revocation_is_known_in_every_process_within_five_seconds(
    redis_is_there: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Real time, a real MariaDB and redis-server; what was checked is remembered and cached in both processes."""
    settings: SqlSettings = request.getfixturevalue("mariadb").database()
    await migrate(settings, tmp_path)
    cache: CacheSettings = request.getfixturevalue("redis_server").settings(prefix=f"test-{redis_is_there}")
    if not redis_is_there:
        cache = replace(cache, socket="/nowhere/redis.sock", timeout_s=0.05)
    caches = [Redis.build(cache) for _ in range(2)]
    clock: ManualClock = SystemClock()  # type: ignore[assignment]
    processes = []
    for redis in caches:
        if redis_is_there:
            await redis.start()
        sql: SQL = SQL.build(settings, tmp_path, redis)
        await sql.start()
        processes.append(Logins(sql, clock))
        await processes[-1].start()
    here, there = processes
    user = await here.people.make("ann")
    pair = await here.log_in()
    for process in (here, there, here, there):
        await process.bearer.authenticate(pair.access_token)
    await here.sessions.revoke_all(user.id, "logout")
    with pytest.raises(Unauthenticated):
        await here.bearer.authenticate(pair.access_token)
    async with ServedTime() as since:
        with pytest.raises(Unauthenticated):
            while since.seconds < SEES_IT_WITHIN_S:
                await there.bearer.authenticate(pair.access_token)
                await asyncio.sleep(0.02)
    assert since.seconds < SEES_IT_WITHIN_S
    for process, redis in zip(processes, caches, strict=True):
        await process.stop()
        await process.sql.stop()
        await redis.stop()
