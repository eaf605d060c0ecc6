"""Each part of the write-through protocol is needed: without it, one order of events shows an old row.

The same orders are tried on the protocol as it is, which stands them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from backend.src.infra.cache import Redis
from backend.src.infra.cache.redis import Look
from backend.src.infra.sql import write_through
from backend.src.infra.sql.codec import encode
from backend.src.infra.sql.generations import read_generations
from backend.src.infra.sql.write_through import WriteThrough
from tests.contracts.freshness_machine import FreshnessThroughOutages as Machine
from tests.contracts.freshness_machine import Stage
from tests.contracts.test_sql_write_through_freshness import stage  # noqa: F401

Patch = pytest.MonkeyPatch
_look, _tell = Redis.look, WriteThrough.tell


@dataclass(frozen=True)
class Case:
    """What is left out, and the order of events that shows it."""

    sabotage: Callable[[Patch], None]
    events: Callable[[Machine], None]


# ---- any floor will do ----


def believe_any_floor(patch: Patch) -> None:
    async def look(self: Redis, key: str, tables: Any) -> Look:
        return (await _look(self, key, tables))._replace(floors=dict.fromkeys(tables, 0))

    patch.setattr(Redis, "look", look)


def another_process_writes(machine: Machine) -> None:
    machine.read(process=0, part="a")
    machine.write(process=1, part="a", through=[])
    machine.read(process=0, part="a")


# ---- the generations are read after the rows ----


def read_the_generations_after_the_rows(patch: Patch) -> None:
    async def load(self: WriteThrough, query: Any, look: Any) -> bytes:
        body = await self._read(lambda connection: encode(query.load(connection)))
        await self._cache._stop()  # type: ignore[attr-defined]
        generations = await self._read(read_generations)
        await self._cache.keep(self._values(look.server, generations, [(query, body)]), {})
        return body

    patch.setattr(WriteThrough, "_load", load)


def another_writes_while_one_reads(machine: Machine) -> None:
    machine.write(process=1, part="a", through=[])
    machine.begin_read(process=0, part="a")
    machine.go_on(which=0, steps=2)  # it has looked, and has the rows
    machine.write(process=1, part="a", through=[])
    machine.go_on(which=0, steps=9)  # it keeps them
    machine.read(process=1, part="a")


# ---- Redis alone is asked ----


def never_ask_the_database(patch: Patch) -> None:
    async def nothing(self: WriteThrough) -> dict[str, int]:
        return {}

    patch.setattr(WriteThrough, "_generations", nothing)


def a_process_that_is_cut_off_writes(machine: Machine) -> None:
    machine.read(process=0, part="a")
    machine.cut_off(process=1)
    machine.write(process=1, part="a", through=[])
    machine.read(process=0, part="a")


def a_writer_dies(machine: Machine) -> None:
    machine.read(process=0, part="a")
    machine.begin_write(process=1, part="a", through=[])
    machine.a_writer_dies_after_its_commit(which=0)
    machine.read(process=0, part="a")


# ---- a write that reached nobody returns at once ----


def do_not_wait(patch: Patch) -> None:
    patch.setattr(write_through, "MARGIN_S", -2 * write_through.LEASE_S)


def everybody_has_just_asked(machine: Machine) -> None:
    machine.read(process=0, part="a")
    machine.read(process=0, part="a")
    a_process_that_is_cut_off_writes(machine)


# ---- a server that came back is believed ----


def believe_any_server(patch: Patch) -> None:
    async def look(self: Redis, key: str, tables: Any) -> Look:
        return (await _look(self, key, tables))._replace(server="the same")

    patch.setattr(Redis, "look", look)
    patch.setattr(Redis, "server", "the same")


def an_old_dump_returns(machine: Machine) -> None:
    machine.write(process=1, part="a", through=[])
    machine.read(process=0, part="a")
    machine.save_a_dump()
    machine.write(process=1, part="a", through=[])
    machine.restart_redis(back="old")
    machine.notice_that_it_is_back(process=0)
    machine.read(process=0, part="a")


# ---- rows written through are said to be of the server that runs when they are set ----


def name_the_server_after_the_transaction(patch: Patch) -> None:
    async def tell(self: WriteThrough, _server: str, *rest: Any) -> None:
        await self._cache._stop()  # type: ignore[attr-defined]
        await _tell(self, self.server, *rest)

    patch.setattr(WriteThrough, "tell", tell)


def rows_written_through_arrive_after_a_restart(machine: Machine) -> None:
    machine.read(process=0, part="a")
    machine.begin_write(process=1, part="a", through=["a"])  # committed, and not yet told
    machine.write(process=0, part="a", through=[])  # newer, and told
    machine.restart_redis(back="empty")
    machine.notice_that_it_is_back(process=0)
    machine.notice_that_it_is_back(process=1)
    machine.go_on(which=0, steps=9)
    machine.read(process=0, part="a")


CASES = [
    Case(believe_any_floor, another_process_writes),
    Case(read_the_generations_after_the_rows, another_writes_while_one_reads),
    Case(never_ask_the_database, a_process_that_is_cut_off_writes),
    Case(never_ask_the_database, a_writer_dies),
    Case(do_not_wait, everybody_has_just_asked),
    Case(believe_any_server, an_old_dump_returns),
    Case(name_the_server_after_the_transaction, rows_written_through_arrive_after_a_restart),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.sabotage.__name__}-{case.events.__name__}")
def test_without_it_an_old_row_is_seen(stage: Stage, monkeypatch: Patch, case: Case) -> None:  # noqa: F811
    case.events(Machine(stage))
    case.sabotage(monkeypatch)
    machine = Machine(stage)
    with pytest.raises(AssertionError, match="had returned"):
        case.events(machine)
