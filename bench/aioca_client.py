"""Plain aioca in a process of its own: the yardstick, and the independent witness of a restore.

Reads one JSON order a line and answers with one line: connect, read, write, monitor.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import aioca

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 120.0


class AiocaClient:
    """The process, driven from here. Every answer holds `seconds`."""

    def __init__(self, names: Sequence[str], environment: Mapping[str, str]) -> None:
        self._names = list(names)
        self._environment = {"PATH": "/usr/bin:/bin", **environment}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.aioca_client"], cwd=ROOT, env=self._environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._ask(names=self._names)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def connect(self) -> float:
        """Seconds until every PV is connected and read once."""
        return float(self._ask(do="connect")["seconds"])

    def read(self) -> tuple[float, list[float]]:
        """Seconds to read every PV once more, and the values."""
        answer = self._ask(do="read")
        return float(answer["seconds"]), answer["values"]

    def write(self, values: Sequence[float]) -> float:
        """Seconds until every write is complete."""
        return float(self._ask(do="write", values=list(values))["seconds"])

    def monitor(self, for_s: float) -> float:
        """CPU seconds an update costs."""
        answer = self._ask(do="monitor", for_s=for_s)
        return float(answer["cpu"]) / max(1, int(answer["updates"]))

    def _ask(self, **order: Any) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"aioca did not survive {order.get('do')!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer


async def serve() -> None:
    """Carries out orders until the input ends."""
    names: list[str] = []
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        names = order.get("names", names)
        began = perf_counter()
        answer = await _ORDERS[order.get("do", "")](names, order)
        print(json.dumps({"seconds": perf_counter() - began, **answer}), flush=True)


async def _nothing(names: list[str], order: dict[str, Any]) -> dict[str, Any]:
    return {}


async def _connect(names: list[str], order: dict[str, Any]) -> dict[str, Any]:
    await aioca.caget(names, timeout=TIMEOUT_S)
    return {}


async def _read(names: list[str], order: dict[str, Any]) -> dict[str, Any]:
    return {"values": [float(value) for value in await aioca.caget(names, timeout=TIMEOUT_S)]}


async def _write(names: list[str], order: dict[str, Any]) -> dict[str, Any]:
    await aioca.caput(names, order["values"], wait=True, timeout=TIMEOUT_S)
    return {}


async def _monitor(names: list[str], order: dict[str, Any]) -> dict[str, Any]:
    updates = 0

    def count(value: object, index: int) -> None:
        nonlocal updates
        updates += 1

    subscriptions = aioca.camonitor(names, count)
    await asyncio.sleep(3)  # until all are connected
    updates, before = 0, _cpu_s()
    await asyncio.sleep(order["for_s"])
    answer = {"updates": updates, "cpu": _cpu_s() - before}
    for subscription in subscriptions:
        subscription.close()
    return answer


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


_ORDERS = {"": _nothing, "connect": _connect, "read": _read, "write": _write, "monitor": _monitor}

if __name__ == "__main__":
    aioca.run(serve())
