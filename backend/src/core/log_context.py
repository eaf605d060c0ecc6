"""On whose behalf something is done: kept with the task, so that every line of the log can say it.

A task that is started inherits it, and so does a thread that runs through `asyncio.to_thread` or `carried`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeVar

T = TypeVar("T")

REQUEST: ContextVar[str] = ContextVar("request", default="")
JOB: ContextVar[str] = ContextVar("job", default="")
CRON: ContextVar[str] = ContextVar("cron", default="")
_KINDS = (REQUEST, JOB, CRON)


def on_behalf() -> dict[str, str]:
    """What is known of {"request", "job", "cron"} here."""
    return {kind.name: value for kind in _KINDS if (value := kind.get())}


@contextmanager
def acting_for(kind: ContextVar[str], value: str) -> Iterator[None]:
    """Inside, what is done is done for this one alone; whatever began it has nothing to do with it any more."""
    tokens = [(one, one.set(value if one is kind else "")) for one in _KINDS]
    try:
        yield
    finally:
        for one, token in tokens:
            one.reset(token)


def carried(work: Callable[[], T]) -> Callable[[], T]:
    """`work` for an executor's thread, which otherwise knows nothing of who asked."""
    context = copy_context()
    return lambda: context.run(work)
