"""A client of a provider that says what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from backend.src.infra.openid import OpenIdClient
from tests.forged_provider import ASKED, SETTINGS, ForgedProvider
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
    # patient: it answers at once, but on a busy machine that may take a second
    client = provider.client(clock, replace(SETTINGS, timeout_s=60.0))
    await client.start()
    yield client
    await client.stop()
