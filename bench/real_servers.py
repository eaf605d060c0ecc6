"""MariaDB, redis-server and an S3 server for a run that shall not be embedded."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.aioca_client import ROOT
from tests.servers.larder import as_environment, clean_environment
from tests.servers.mariadb import running_mariadb
from tests.servers.redis_server import running_redis
from tests.servers.s3 import S3Server

Environment = Callable[[], dict[str, str]]


@contextmanager
def real_servers() -> Iterator[Environment]:
    """Starts all three. What it gives makes a new, migrated, empty set on each call."""
    with running_mariadb() as mariadb, running_redis() as redis, S3Server() as s3:

        def empty_set() -> dict[str, str]:
            name = f"bench-{secrets.token_hex(4)}"
            environment = as_environment(mariadb.database(), redis.settings(prefix=name), s3.settings(name))
            environment["SECRET_KEY"] = secrets.token_hex(32)
            command = [sys.executable, "-m", "backend.src", "migrate"]
            variables = clean_environment(Path("data"), 0, environment)
            subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True)
            return environment

        yield empty_set


@contextmanager
def embedded() -> Iterator[Environment]:
    """Nothing to start."""
    yield dict
