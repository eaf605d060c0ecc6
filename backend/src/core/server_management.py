"""Starts services in order and stops them in reverse, each step timed and logged."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from backend.src.core.errors import LarderError, StartFailed
from backend.src.core.lifecycle import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One service and the name by which logs and health speak of it."""

    name: str
    service: Service


class ServerManagement:
    """The lifecycle of a set of services."""

    def __init__(self, steps: Sequence[Step], *, start_timeout_s: float, stop_timeout_s: float) -> None:
        self._steps = tuple(steps)
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._started: list[Step] = []

    @property
    def started(self) -> tuple[str, ...]:
        """The names of the services that run, in start order."""
        return tuple(step.name for step in self._started)

    async def start(self) -> None:
        """Starts all. Raises StartFailed after having stopped, in reverse, whatever had started."""
        for step in self._steps:
            try:
                await self._start_one(step)
            except BaseException:
                await self.stop()
                raise

    async def stop(self) -> None:
        """Stops all that started, in reverse; one that fails is logged and does not keep the others."""
        while self._started:
            step = self._started.pop()
            try:
                await _timed("stopped", step.name, step.service.stop(), self._stop_timeout_s)
            except Exception:
                log.exception("%s did not stop cleanly", step.name)

    async def _start_one(self, step: Step) -> None:
        self._started.append(step)  # before: what starts halfway has something to close
        try:
            await _timed("started", step.name, step.service.start(), self._start_timeout_s)
        except TimeoutError as exc:
            message = f"{step.name} did not start within {self._start_timeout_s:g} s"
            raise StartFailed(message, remedy="look at what it waits for, or raise server.start_timeout_s") from exc
        except LarderError as exc:
            raise StartFailed(f"{step.name} could not start: {exc.message}", remedy=exc.remedy) from exc


async def _timed(what: str, name: str, step: Awaitable[None], timeout_s: float) -> None:
    began = time.monotonic()
    await asyncio.wait_for(step, timeout_s)
    log.info("%s %s in %.0f ms", what, name, (time.monotonic() - began) * 1000)
