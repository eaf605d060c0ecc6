"""One transaction after another on one engine, in the calling thread."""

from __future__ import annotations

import inspect
import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine, exc

from backend.src.config.settings import SqlSettings
from backend.src.infra.sql.driver_errors import is_worth_retrying, translate
from backend.src.infra.sql.engine import WRITING

log = logging.getLogger(__name__)

T = TypeVar("T")

ATTEMPTS = 8
FIRST_PAUSE_S = 0.01


class Transactions:
    """Runs functions of a connection, repeats what met a deadlock, and raises Larder's errors for the drivers'."""

    def __init__(self, engine: Engine, settings: SqlSettings) -> None:
        self.engine = engine
        self._settings = settings

    def run(self, work: Callable[[Connection], T], *, writing: bool) -> T:
        """Commits when `work` returns, rolls back when it raises. Raises Conflict, Invalid, Unavailable."""
        pause_s = FIRST_PAUSE_S
        for _ in range(ATTEMPTS - 1):
            try:
                return self._once(work, writing=writing)
            except exc.SQLAlchemyError as error:
                if not _may_repeat(error, writing=writing):
                    self._raise_ours(error)
                log.info("transaction repeated: %s", error)
            time.sleep(pause_s * (0.5 + random.random()))  # two that met once should not meet again
            pause_s *= 2
        try:
            return self._once(work, writing=writing)
        except exc.SQLAlchemyError as error:
            self._raise_ours(error)
            raise AssertionError from error  # not reached

    def _once(self, work: Callable[[Connection], T], *, writing: bool) -> T:
        began = time.perf_counter()
        with self.engine.connect() as connection:
            if writing:
                connection.execution_options(**{WRITING: True})
            with connection.begin():
                result = work(connection)
        if log.isEnabledFor(logging.DEBUG):
            taken_ms = (time.perf_counter() - began) * 1000
            log.debug("%s %s in %.1f ms", "wrote" if writing else "read", _name(work), taken_ms)
        return result

    def _raise_ours(self, error: exc.SQLAlchemyError) -> None:
        ours = translate(error, self._settings)
        if ours is None:
            raise error
        raise ours from error


def _name(work: Callable[..., object]) -> str:
    """Where a transaction's function was written: most have no name of their own."""
    work = inspect.unwrap(work)
    work = getattr(work, "func", work)  # of a partial
    code = getattr(work, "__code__", None)
    module = getattr(work, "__module__", "").removeprefix("backend.src.")
    return f"{module}:{code.co_firstlineno}" if code else module


def _may_repeat(error: exc.SQLAlchemyError, *, writing: bool) -> bool:
    # a connection lost: a read may be asked again, but a write may have been committed
    lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
    return is_worth_retrying(error) or (lost and not writing)
