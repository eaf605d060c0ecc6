"""Who is asking: programs by their API keys, the operator of this machine by a local token; people come here later."""

from __future__ import annotations

from backend.src.config.settings import Secret
from backend.src.core.clock import Clock
from backend.src.services.accounts.api_keys import ApiKeys
from backend.src.services.accounts.local_token import read_local_token
from backend.src.services.accounts.principal import Principal


class Accounts:
    """Checks what callers prove themselves with."""

    def __init__(self, keys: ApiKeys, secret_key: Secret, clock: Clock) -> None:
        self._keys = keys
        self._secret_key = secret_key
        self._clock = clock

    async def authenticate(self, token: str, address: str = "") -> Principal:
        """The program whose key this is. Raises Unauthenticated."""
        return await self._keys.authenticate(token, address)

    async def authenticate_bearer(self, token: str, address: str = "") -> Principal:
        """The operator whose local token this is. Raises Unauthenticated."""
        return read_local_token(self._secret_key, token, self._clock)
