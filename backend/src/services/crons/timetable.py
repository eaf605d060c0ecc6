"""The alarm clock: APScheduler wakes this process at the moments that SQL names. What is forgotten here is no loss."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler


class Timetable:
    """One alarm a name; `wake` is called on the event loop when one goes off."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._scheduler: Any = None
        self._alarms: dict[str, datetime] = {}

    async def start(self) -> None:
        """In memory, with no alarm set."""
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.start()

    async def stop(self) -> None:
        """Forgets every alarm."""
        scheduler, self._scheduler = self._scheduler, None
        self._alarms.clear()
        if scheduler is not None:
            scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # it shuts down in the loop's next turn

    def set(self, alarms: Collection[tuple[str, datetime]]) -> None:
        """These alarms and no others."""
        wanted = dict(alarms)
        for name in self._alarms.keys() - wanted.keys():
            self._forget(name)
        for name, moment in wanted.items():
            if self._alarms.get(name) != moment:
                self._alarms[name] = moment
                self._scheduler.add_job(
                    self._ring,
                    "date",
                    args=(name,),
                    run_date=moment,
                    id=name,
                    replace_existing=True,
                    misfire_grace_time=None,
                )

    async def _ring(self, name: str) -> None:
        """A coroutine: APScheduler would run a plain function in a thread."""
        self._wake()

    def _forget(self, name: str) -> None:
        del self._alarms[name]
        if self._scheduler.get_job(name) is not None:  # one that went off is gone already
            self._scheduler.remove_job(name)
