"""A client of a provider that says what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.src.infra.openid import OpenIdClient
from tests.forged_provider import ASKED, ForgedProvider
from tests.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def provider(clock: ManualClock) -> ForgedProvider:
    forged = ForgedProvider(clock)
    forged.claims["nonce"] = ASKED.nonce
    return forged


@pytest.fixture
async def client(provider: ForgedProvider, clock: ManualClock) -> AsyncIterator[OpenIdClient]:
    client = provider.client(clock)
    await client.start()
    yield client
    await client.stop()
