"""What was read before a change is not believed after it, nothing is believed for long, and the memory stays small."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from backend.src.services.accounts import credential_memory
from backend.src.services.accounts.credential_memory import LIFETIME_S, CredentialMemory
from tests.manual_clock import ManualClock

TABLES = ("sessions", "users")


class Writes:
    """SQL, as far as the memory needs it."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def written(self, tables: Collection[str]) -> int:
        return sum(self.counts.get(table, 0) for table in tables)

    def write(self, table: str) -> None:
        self.counts[table] = self.counts.get(table, 0) + 1


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sql() -> Writes:
    return Writes()


@pytest.fixture
def memory(sql: Any, clock: ManualClock) -> CredentialMemory[str]:
    return CredentialMemory(sql, TABLES, clock)


async def answer() -> str:
    return "known"


async def nothing() -> str | None:
    return None


async def test_it_is_remembered_until_one_of_its_tables_is_written(memory: CredentialMemory[str], sql: Writes) -> None:
    assert await memory.ask("a", answer) == "known"
    sql.write("snapshots")
    assert memory.recall("a") == "known"
    sql.write("users")
    assert memory.recall("a") is None


async def test_it_is_not_believed_for_long(memory: CredentialMemory[str], clock: ManualClock) -> None:
    await memory.ask("a", answer)
    clock.advance(LIFETIME_S - 0.01)
    assert memory.recall("a") == "known"
    clock.advance(0.01)
    assert memory.recall("a") is None


async def test_its_age_counts_from_before_it_was_read(memory: CredentialMemory[str], clock: ManualClock) -> None:
    async def slowly() -> str:
        clock.advance(LIFETIME_S)
        return "known"

    assert await memory.ask("a", slowly) == "known"
    assert memory.recall("a") is None


async def test_what_was_read_before_a_write_is_not_kept_after_it(memory: CredentialMemory[str], sql: Writes) -> None:
    async def overtaken() -> str:
        sql.write("sessions")
        return "old"

    await memory.ask("a", overtaken)
    assert memory.recall("a") is None


async def test_what_is_not_there_is_not_remembered(memory: CredentialMemory[str]) -> None:
    assert await memory.ask("a", nothing) is None
    assert await memory.ask("a", answer) == "known"


async def test_it_does_not_grow_for_ever(memory: CredentialMemory[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credential_memory, "MOST", 3)
    for number in range(4):
        await memory.ask(str(number), answer)
    assert memory.recall("0") is None and memory.recall("3") == "known"
