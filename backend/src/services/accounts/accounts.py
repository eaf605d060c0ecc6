"""Who is asking: programs by their API keys, people by access tokens, the operator of this machine by a local token."""

from __future__ import annotations

from backend.src.config.settings import Secret
from backend.src.core.clock import Clock
from backend.src.services.accounts.access_tokens import key_id_of
from backend.src.services.accounts.api_keys import ApiKeys
from backend.src.services.accounts.bearer_check import BearerCheck
from backend.src.services.accounts.local_token import read_local_token
from backend.src.services.accounts.principal import Principal


class Accounts:
    """Checks what callers prove themselves with."""

    def __init__(self, keys: ApiKeys, people: BearerCheck, secret_key: Secret, clock: Clock) -> None:
        self._keys = keys
        self._people = people
        self._secret_key = secret_key
        self._clock = clock

    async def authenticate(self, token: str, address: str = "") -> Principal:
        """The program whose key this is. Raises Unauthenticated."""
        return await self._keys.authenticate(token, address)

    async def authenticate_bearer(self, token: str, address: str = "") -> Principal:
        """The person whose access token this is, or the operator. Raises Unauthenticated."""
        principal = self._people.recall(token)
        if principal is not None:
            return principal
        if key_id_of(token) is None:  # a local token names no key
            return read_local_token(self._secret_key, token, self._clock)
        return await self._people.authenticate(token)

    async def still_holds(self, principal: Principal) -> Principal:
        """Who came by a bearer token, as they are by now; the operator stays. Raises Unauthenticated."""
        return await self._people.still_holds(principal)
