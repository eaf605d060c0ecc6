"""The real servers that tests share, started on first use and stopped at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from tests.servers.mariadb import mariadb
from tests.servers.pva_server import PvaServer
from tests.servers.redis_server import redis_server
from tests.servers.s3 import S3Server
from tests.servers.soft_ioc import CLIENT_ENVIRONMENT, SoftIoc

__all__ = ["mariadb", "redis_server"]

# libca and PVAccess read these once a process, so before any test makes a context
os.environ.update(CLIENT_ENVIRONMENT)


# The same examples each time, however long one takes: a landing is no place for a search by chance.
# To search: HYPOTHESIS_PROFILE=default pytest tests/unit
settings.register_profile("same", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


class ByPlace(LoadScopeScheduling):  # type: ignore[misc]
    """How `make test` shares the tests between two processes: most of their time is spent waiting for servers.

    A file stays together, because its tests share servers; a folder of tests/system does, because its files do.
    In the order of their names: the slow ones first, and many short ones for whoever is done with those.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder.startswith("tests/system/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlace:
    # by default those that hold most tests come first, and the slowest last
    config.option.loadscopereorder = False
    return ByPlace(config, log)


@pytest.fixture(scope="session")
def types_ioc() -> Iterator[SoftIoc]:
    """One record of each kind; leave it running and its values as a test needs them."""
    with SoftIoc.types() as ioc:
        yield ioc


@pytest.fixture
def own_ioc() -> Iterator[SoftIoc]:
    """The same records, for a test that kills, pauses or restarts it."""
    with SoftIoc.types() as ioc:
        yield ioc


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server; `settings()` names a new bucket each time."""
    with S3Server() as server:
        yield server


@pytest.fixture(scope="session")
def pva_server() -> Iterator[PvaServer]:
    """What only PVAccess can carry."""
    with PvaServer() as server:
        yield server
