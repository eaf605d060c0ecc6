"""What runs by itself: the table of tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

from backend.src.config.schedule import Schedule
from backend.src.core.errors import Conflict, NotFound

Run = Callable[[], Awaitable[str]]


def _everywhere() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    meaning: for people. run: returns one line that says what was done, "" when there was nothing to do.
    may_run: whether this process is the right one at this moment. audited: what it does goes into the audit trail.
    """

    name: str
    meaning: str
    schedule: Schedule
    run: Run
    may_run: Callable[[], bool] = _everywhere
    audited: bool = False


class CronNotFound(NotFound):
    """No task has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no cron is called {name}", remedy="GET /v1/admin/crons lists them")


class BackgroundTasks:
    """The tasks by name, in the order given."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        """Raises Conflict for a second task of a name."""
        self._tasks: dict[str, Task] = {}
        for task in tasks:
            if task.name in self._tasks:
                raise Conflict(f"a background task is called {task.name} already")
            self._tasks[task.name] = task

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def __contains__(self, name: object) -> bool:
        return name in self._tasks

    def get(self, name: str) -> Task:
        """Raises CronNotFound."""
        if name not in self._tasks:
            raise CronNotFound(name)
        return self._tasks[name]
