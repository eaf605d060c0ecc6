"""Who comes too often waits: an account, a stranger's address, whoever logs in again and again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from backend.src.config.settings import DoorSettings
from backend.src.core.errors import TooMany
from backend.src.infra.cache import Count
from backend.src.services.accounts import Principal, PrincipalKind
from backend.src.web.access import Access
from backend.src.web.app import build_app
from backend.src.web.client_address import address_group
from backend.src.web.path_manager import PathManager
from backend.src.web.rate_limits import MOST_KEYS, RateClass, RateLimits
from backend.src.web.routes import Route
from tests.manual_clock import ManualClock
from tests.unit.web.asgi_socket import Closed, connect
from tests.unit.web.conftest import SETTINGS, KnownKeys, client_of
from tests.unit.web.sample import Sample

ALICE = Principal(PrincipalKind.USER, "1", "alice", frozenset())
BOB = Principal(PrincipalKind.USER, "2", "bob", frozenset())


class Tally:
    """A counter that never forgets, and how often it was asked."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.asked = 0

    async def take(self, key: str, per_minute: int, amount: int) -> Count:
        self.asked += 1
        granted = self.counts[key] + amount <= per_minute
        if granted:
            self.counts[key] += amount
        return Count(granted, per_minute - self.counts[key], 3.0)


@pytest.fixture(autouse=True)
def one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a test counts lies in one minute."""
    moment = time.time() // 60 * 60 + 1
    monkeypatch.setattr(time, "time", lambda: moment)


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def limits_of(tally: Tally, clock: ManualClock, **door: Any) -> RateLimits:
    return RateLimits(tally.take, DoorSettings(**door), clock)


async def spend(limits: RateLimits, principal: Principal, times: int) -> int:
    """How many of them were let in."""
    done = 0
    for _ in range(times):
        try:
            await limits.count_account({}, principal)
        except TooMany:
            continue
        done += 1
    return done


@pytest.mark.parametrize("limit", [1, 5, 199, 200, 1_000])
async def test_an_account_may_do_exactly_so_much(tally: Tally, clock: ManualClock, limit: int) -> None:
    limits = limits_of(tally, clock, requests_per_minute=limit)
    assert await spend(limits, ALICE, limit + 10) == limit
    assert await spend(limits, BOB, 1) == 1


async def test_most_requests_cost_no_question(tally: Tally, clock: ManualClock) -> None:
    limits = limits_of(tally, clock, requests_per_minute=30_000)
    assert await spend(limits, ALICE, 3_000) == 3_000
    assert tally.asked == 10


async def test_two_processes_share_one_limit(tally: Tally, clock: ManualClock) -> None:
    one, other = (limits_of(tally, clock, requests_per_minute=400) for _ in range(2))
    assert await spend(one, ALICE, 300) + await spend(other, ALICE, 300) == 400


async def test_a_refusal_is_remembered_and_looked_at_again(tally: Tally, clock: ManualClock) -> None:
    limits = limits_of(tally, clock, requests_per_minute=1)
    assert await spend(limits, ALICE, 50) == 1
    assert tally.asked == 2
    tally.counts.clear()
    assert await spend(limits, ALICE, 1) == 0
    clock.advance(3.1)
    assert await spend(limits, ALICE, 1) == 1


async def test_a_stranger_is_refused_at_the_door_until_there_is_room(tally: Tally, clock: ManualClock) -> None:
    limits = limits_of(tally, clock, requests_per_minute=2)
    for _ in range(3):
        limits.refuse_blocked("192.0.2.1")
        await limits.note_stranger("192.0.2.1")
    with pytest.raises(TooMany) as refused:
        limits.refuse_blocked("192.0.2.1")
    assert refused.value.retry_after_s == 3
    limits.refuse_blocked("192.0.2.2")
    clock.advance(3.1)
    limits.refuse_blocked("192.0.2.1")


async def test_zero_means_any(tally: Tally, clock: ManualClock) -> None:
    limits = limits_of(tally, clock, requests_per_minute=0, logins_per_minute=0)
    await spend(limits, ALICE, 10)
    await limits.note_stranger("192.0.2.1")
    await limits.count_login({}, "192.0.2.1")
    assert tally.asked == 0


async def test_many_addresses_at_once_share_one_budget(tally: Tally, clock: ManualClock) -> None:
    limits = limits_of(tally, clock, requests_per_minute=1_000)
    for number in range(MOST_KEYS + 50):
        await limits.note_stranger(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(tally.counts) == MOST_KEYS + 1
    clock.advance(61)
    await limits.note_stranger("192.0.2.1")
    assert "address:192.0.2.1" in tally.counts


def test_a_customers_ipv6_addresses_are_one() -> None:
    assert address_group("2001:db8::1") == address_group("2001:db8::ffff:1") != address_group("2001:db8:0:1::1")
    assert address_group("192.0.2.1") == "192.0.2.1" and address_group("") == ""


# -- over HTTP ------------------------------------------------------------------------------------------------------


class Doors(Sample):
    """The sample, and a login."""

    def routes(self) -> tuple[Route, ...]:
        login = Route("POST", "/login", self.open, access=Access.OPEN, limited=RateClass.LOGIN)
        return (*super().routes(), login)


def app_with(**door: Any) -> FastAPI:
    paths = PathManager()
    paths.add(*Doors().routes())
    paths.freeze()
    return build_app(replace(SETTINGS, door=DoorSettings(**door)), paths, KnownKeys())


async def answers(client: httpx.AsyncClient, method: str, path: str, times: int, **options: Any) -> list[int]:
    return [(await client.request(method, path, **options)).status_code for _ in range(times)]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_with(requests_per_minute=5, logins_per_minute=2), host="192.0.2.1") as client:
        yield client


async def test_an_account_is_told_how_long_to_wait(client: httpx.AsyncClient) -> None:
    first = await client.get("/things/newest")
    assert first.headers["RateLimit-Policy"] == '"account";q=5;w=60' and first.headers["RateLimit"] == '"account";r=4'
    assert await answers(client, "GET", "/things/newest", 5) == [200] * 4 + [429]
    refused = await client.get("/things/newest")
    assert refused.status_code == 429 and 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Content-Type"] == "application/problem+json" and refused.json()["remedy"]
    assert refused.headers["RateLimit"] == '"account";r=0'
    assert (await client.get("/open")).status_code == 200  # strangers count apart


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [("/things/newest", "wrong", 401), ("/things/newest", "", 401), ("/open", "", 200), ("/nowhere", "", 404)],
)
async def test_strangers_are_refused_before_anything_is_looked_at(path: str, key: str, status: int) -> None:
    async with client_of(app_with(requests_per_minute=5), key or None, host="192.0.2.1") as client:
        assert await answers(client, "GET", path, 8) == [status] * 6 + [429] * 2
        headers = (await client.get(path)).headers
        assert headers["Retry-After"] and headers["X-Content-Type-Options"] == "nosniff"


async def test_who_names_another_host_is_a_stranger_too() -> None:
    app = app_with(requests_per_minute=5, trusted_hosts="larder.example.org")
    async with client_of(app, host="192.0.2.1") as client:
        named = {"Host": "evil.org"}
        assert await answers(client, "GET", "/open", 8, headers=named) == [400] * 6 + [429] * 2


async def test_logins_have_a_limit_of_their_own(client: httpx.AsyncClient) -> None:
    assert await answers(client, "POST", "/login", 3) == [200, 200, 429]
    assert await answers(client, "GET", "/things/newest", 1) == [200]


async def test_what_is_forbidden_counts_as_whose_it_is() -> None:
    async with client_of(app_with(requests_per_minute=5), "write", host="192.0.2.1") as client:
        assert await answers(client, "GET", "/things/newest", 6) == [403] * 5 + [429]


async def test_a_socket_counts_too() -> None:
    app = app_with(requests_per_minute=2)
    for _ in range(2):
        async with connect(app, "/live", {"X-API-Key": "read"}) as socket:
            assert await socket.receive_text() == "read"
    async with connect(app, "/live", {"X-API-Key": "read"}) as socket:
        assert "more than 2 requests" in (await socket.receive_json())["message"]
        with pytest.raises(Closed):
            await socket.receive_text()
