"""How often an account, an address without one, and a login may come.

An account's requests are counted after the gate, a stranger's after its answer; an address that came too often
is refused at the door until there is room again. Counts are fetched in chunks of a hundredth of the limit, so
that most requests are counted by subtracting one.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from starlette.types import Scope

from backend.src.config.settings import DoorSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import TooMany
from backend.src.infra.cache import Count
from backend.src.services.accounts.principal import Principal
from backend.src.web.client_address import address_group, client_address

CHUNKS = 100
CHUNK_LIVES_S = 60.0
LONGEST_REFUSAL_S = 5.0  # then the count is looked at again: other processes may know better
MOST_KEYS = 4_096
EVERYBODY_ELSE = "everybody else"
BUDGET_KEY = "larder.budget"
LIMITS_KEY = "larder.limits"

Take = Callable[[str, int, int], Awaitable[Count]]


class RateClass(Enum):
    """What is counted apart from all other requests: Route.limited."""

    LOGIN = "login"


async def count_login(scope: Scope) -> None:
    """For an open route of which not every call is a login: counts this one. Raises TooMany."""
    await scope[LIMITS_KEY].count_login(scope, client_address(scope))


@dataclass(slots=True)
class Budget:
    """What one key may still do: `left` of it without asking again."""

    name: str
    key: str
    limit: int
    left: int = 0
    remaining: int = 0
    until: float = 0.0
    refused_until: float = 0.0
    fetching: bool = False


class RateLimits:
    """The limits of [door]. `take` is RateCounter.take."""

    def __init__(self, take: Take, door: DoorSettings, clock: Clock) -> None:
        self._take = take
        self._clock = clock
        self._requests = door.requests_per_minute
        self._logins = door.logins_per_minute
        self._budgets: dict[str, Budget] = {}

    def refuse_blocked(self, address: str) -> None:
        """Raises TooMany while strangers from this address have come too often."""
        budget = self._budgets.get(f"address:{address_group(address)}")
        if budget is not None and budget.refused_until and self._clock.monotonic() < budget.refused_until:
            raise self._too_many(budget)

    async def note_stranger(self, address: str) -> None:
        """Counts a request that ended without an account."""
        if self._requests:
            await self._spend(self._of_address("address", address, self._requests))

    async def count_account(self, scope: Scope, principal: Principal) -> None:
        """Counts a request of somebody known. Raises TooMany."""
        if self._requests:
            key = f"account:{principal.kind.value}:{principal.id}"
            budget = self._budgets.get(key) or self._new("account", key, self._requests)
            await self._spend_or_refuse(scope, budget)

    async def count_login(self, scope: Scope, address: str) -> None:
        """Counts a login, registration or reset, before anything is looked at. Raises TooMany."""
        if self._logins:
            await self._spend_or_refuse(scope, self._of_address("login", address, self._logins))

    def _of_address(self, name: str, address: str, limit: int) -> Budget:
        key = f"{name}:{address_group(address)}"
        if key not in self._budgets and len(self._budgets) >= MOST_KEYS:
            self._forget_old()
            if len(self._budgets) >= MOST_KEYS:  # so many at once are one attack
                key = f"{name}:{EVERYBODY_ELSE}"
        return self._budgets.get(key) or self._new(name, key, limit)

    def _new(self, name: str, key: str, limit: int) -> Budget:
        budget = self._budgets[key] = Budget(name, key, limit)
        return budget

    async def _spend_or_refuse(self, scope: Scope, budget: Budget) -> None:
        scope[BUDGET_KEY] = budget
        if not await self._spend(budget):
            raise self._too_many(budget)

    async def _spend(self, budget: Budget) -> bool:
        now = self._clock.monotonic()
        if budget.left > 0 and now < budget.until:
            budget.left -= 1
            return True
        if now < budget.refused_until:
            return False
        count = await self._fetch_chunk(budget, now) if not budget.fetching else None
        if count is None or not count.granted:
            count = await self._take(budget.key, budget.limit, 1)
        budget.remaining = count.remaining
        if not count.granted:
            budget.refused_until = now + min(max(1.0, count.retry_after_s), LONGEST_REFUSAL_S)
        return count.granted

    async def _fetch_chunk(self, budget: Budget, now: float) -> Count | None:
        """Who comes meanwhile takes one alone: a crowd fetching chunks would take everything at once."""
        amount = budget.limit // CHUNKS
        if amount < 2:
            return None
        budget.fetching = True
        try:
            count = await self._take(budget.key, budget.limit, amount)
        finally:
            budget.fetching = False
        if count.granted:
            budget.left, budget.until = amount - 1, now + CHUNK_LIVES_S
        return count

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        self._budgets = {key: one for key, one in self._budgets.items() if max(one.until, one.refused_until) > now}

    def _too_many(self, budget: Budget) -> TooMany:
        wait_s = max(1, math.ceil(budget.refused_until - self._clock.monotonic()))
        message = f"more than {budget.limit} {_COUNTED[budget.name]} in a minute"
        return TooMany(message, remedy=f"wait {wait_s} s", retry_after_s=wait_s)


def budget_headers(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    """RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers) of the budget that was spent."""
    budget = scope.get(BUDGET_KEY)
    if budget is None:
        return ()
    return (
        (b"ratelimit-policy", b'"%b";q=%d;w=60' % (budget.name.encode(), budget.limit)),
        (b"ratelimit", b'"%b";r=%d' % (budget.name.encode(), budget.remaining + budget.left)),
    )


_COUNTED = {
    "account": "requests of this account",
    "address": "requests without an account from this address",
    "login": "logins, registrations and resets from this address",
}
