"""No use that was noted is lost, whether or not it could be written at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from backend.src.core.errors import Unavailable
from backend.src.core.supervisor import Supervisor
from backend.src.services.accounts.last_use import LastUse
from tests.manual_clock import START

LATER = START + timedelta(seconds=1)


class Writes:
    """SQL, as far as it is needed: what was written, and what happens before."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.before: Callable[[], None] = lambda: None

    async def write(self, work: Callable[[Any], None]) -> None:
        self.before()
        work(None)


@pytest.fixture
def sql() -> Writes:
    return Writes()


@pytest.fixture
def uses(sql: Writes) -> LastUse[int]:
    return LastUse(sql, Supervisor(), "tests", lambda _, noted: sql.written.append(dict(noted)))  # type: ignore[arg-type]


async def test_each_use_is_written_once(uses: LastUse[int], sql: Writes) -> None:
    uses.note(1, START)
    uses.note(1, LATER)
    uses.note(2, START)
    await uses.write_once()
    await uses.write_once()
    assert sql.written == [{1: LATER, 2: START}]


async def test_what_could_not_be_written_is_written_later_unless_there_is_a_newer_use(
    uses: LastUse[int], sql: Writes
) -> None:
    def refuse() -> None:
        uses.note(1, LATER)
        raise Unavailable("the database is away")

    uses.note(1, START)
    uses.note(2, START)
    sql.before = refuse
    with pytest.raises(Unavailable):
        await uses.write_once()
    sql.before = lambda: None
    await uses.stop()
    assert sql.written == [{1: LATER, 2: START}]


async def test_what_is_used_during_the_write_is_written_with_the_next(uses: LastUse[int], sql: Writes) -> None:
    uses.note(1, START)
    sql.before = lambda: uses.note(1, LATER)
    await uses.write_once()
    sql.before = lambda: None
    await uses.write_once()
    assert sql.written == [{1: START}, {1: LATER}]
