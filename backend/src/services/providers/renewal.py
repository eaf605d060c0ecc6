"""Renews the tokens that providers gave, before they expire."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta

from backend.src.core.clock import Clock
from backend.src.core.errors import Unavailable
from backend.src.core.seal import Seal
from backend.src.infra.openid import OpenIdClient, ProviderAway, ProviderRefused, ProviderTokens
from backend.src.infra.sql import SQL
from backend.src.services.providers import identity_rows
from backend.src.services.providers.admission import sealed_tokens
from backend.src.services.providers.identity_rows import DueTokens, KeptTokens

log = logging.getLogger(__name__)

AHEAD_S = 900.0
MOST_AT_ONCE = 200


class Renewal:
    """One at a time: a provider that rotates its refresh tokens takes the second use of one for a theft."""

    def __init__(self, sql: SQL, clients: Mapping[str, OpenIdClient], seal: Seal, clock: Clock) -> None:
        self._sql = sql
        self._clients = clients
        self._seal = seal
        self._clock = clock

    async def once(self) -> int:
        """How many were renewed. What a provider refuses is forgotten: its person logs in there again."""
        before, names = self._clock.now() + timedelta(seconds=AHEAD_S), sorted(self._clients)
        due = await self._sql.read(lambda c: identity_rows.due_tokens(c, names, before, limit=MOST_AT_ONCE))
        away: set[str] = set()
        renewed = 0
        for one in due:
            if one.provider in away:
                continue
            try:
                renewed += await self._renew(one)
            except ProviderAway as error:  # it keeps nobody waiting twice
                away.add(one.provider)
                log.warning("tokens of %s are not renewed: %s", one.provider, error.message)
        return renewed

    async def _renew(self, due: DueTokens) -> bool:
        kept = await self._successor(due)
        replaced = await self._sql.write(lambda connection: identity_rows.replace_tokens(connection, due, kept))
        return replaced and kept.sealed is not None

    async def _successor(self, due: DueTokens) -> KeptTokens:
        try:
            tokens = ProviderTokens.unpack(self._seal.open(due.sealed.encode()))
        except Unavailable as error:
            log.warning("the tokens of identity %d are forgotten: %s", due.identity_id, error.message)
            return KeptTokens()
        try:
            return sealed_tokens(self._seal, await self._clients[due.provider].refresh(tokens))
        except ProviderRefused as error:
            log.info("%s renews the tokens of identity %d no more: %s", due.provider, due.identity_id, error.error)
            return KeptTokens()
