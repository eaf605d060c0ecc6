"""An Epics of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.src.infra.epics import Epics
from tests.servers.soft_ioc import client_settings


@pytest.fixture
async def epics() -> AsyncIterator[Epics]:
    """Started, and stopped at the end."""
    running = Epics.build(client_settings())
    await running.start()
    yield running
    await running.stop()
