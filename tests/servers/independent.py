"""A Channel Access client that is not Larder's: aioca in a process of its own, told what to do in JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from tests.servers.soft_ioc import CLIENT_ENVIRONMENT

_PROGRAM = """
import asyncio, json, sys
import aioca

async def main():
    order = json.load(sys.stdin)
    if order["values"] is None:
        json.dump([float(value) for value in await aioca.caget(order["names"], timeout=110)], sys.stdout)
    else:
        await aioca.caput(order["names"], order["values"], wait=True, timeout=110)

aioca.run(main())
"""


def ca_get(names: Sequence[str]) -> list[float]:
    """The present values."""
    done = _run({"names": list(names), "values": None})
    return [float(value) for value in json.loads(done)]


def ca_put(names: Sequence[str], values: Sequence[float]) -> None:
    """Writes and waits for completion."""
    _run({"names": list(names), "values": list(values)})


def _run(order: dict[str, object]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(order),
        env={"PATH": "/usr/bin:/bin", **CLIENT_ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout
