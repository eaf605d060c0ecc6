"""Free ports for the servers of the tests: below those of the demonstration machine, each process of pytest its own.

Most are chosen long before they are bound: nobody else may choose from the same ones meanwhile.
"""

from __future__ import annotations

import os

from backend.src.demonstration import ports

FIRST = 15_000
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_NUMBER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_SHARE = (ports.FIRST - FIRST) // _WORKERS
_first = FIRST + _NUMBER * _SHARE


def free_port() -> int:
    """A port free on 127.0.0.1 for TCP and UDP, never given out twice by this process nor by its neighbours."""
    return ports.free_port(_first, _first + _SHARE - 1)
