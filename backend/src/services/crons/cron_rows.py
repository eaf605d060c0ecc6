"""Crons in SQL. Every change of who runs one is a conditional UPDATE, so two processes can never both make it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, insert, select, update

from backend.src.infra.sql.tables import crons
from backend.src.services.crons.cron import Cron, CronStatus, Ended

LONGEST_RESULT = 4_000
_COLUMNS = tuple(crons.c[field.name] for field in fields(Cron))


def all_crons(connection: Connection) -> dict[str, Cron]:
    """Every row, by name."""
    return {row["name"]: _cron(row) for row in connection.execute(select(*_COLUMNS)).mappings()}


def get_cron(connection: Connection, name: str) -> Cron | None:
    """None when it has no row yet."""
    row = connection.execute(select(*_COLUMNS).where(crons.c.name == name)).mappings().first()
    return None if row is None else _cron(row)


def add(connection: Connection, name: str, schedule: str, due_at: datetime | None) -> None:
    """A cron that never ran. Raises Conflict when another process was first."""
    row = {"paused": False, "requested": False, "runs": 0, "failures": 0}
    connection.execute(insert(crons).values(row | {"name": name, "schedule": schedule, "due_at": due_at}))


def reschedule(connection: Connection, seen: Cron, schedule: str, due_at: datetime | None) -> None:
    """Another schedule, unless somebody changed the row since."""
    changed = _as_seen(seen).where(_same(crons.c.schedule, seen.schedule))
    connection.execute(changed.values(schedule=schedule, due_at=due_at))


def claim(connection: Connection, seen: Cron, runner: str, now: datetime, due_at: datetime | None) -> bool:
    """The run that was seen to be wanted becomes this process's, and due_at the next. False: another was quicker."""
    wanted = _as_seen(seen).where(
        crons.c.runner.is_(None), crons.c.paused.is_(seen.paused), crons.c.requested.is_(seen.requested)
    )
    values = {"runner": runner, "heartbeat_at": now, "last_started_at": now, "requested": False, "due_at": due_at}
    return connection.execute(wanted.values(values | {"runs": crons.c.runs + 1})).rowcount == 1


def beat(connection: Connection, runner: str, names: Collection[str], now: datetime) -> set[str]:
    """Signs of life; returns which of these are still this process's."""
    mine = (crons.c.name.in_(sorted(names)), crons.c.runner == runner)
    connection.execute(update(crons).where(*mine).values(heartbeat_at=now))
    return set(connection.scalars(select(crons.c.name).where(*mine)))


def end(connection: Connection, name: str, runner: str, ended: Ended) -> bool:
    """Records how this process's run ended. False when it is no longer this process's to end."""
    mine = update(crons).where(crons.c.name == name, crons.c.runner == runner)
    return connection.execute(mine.values(_end_values(ended))).rowcount == 1


def give_up(connection: Connection, seen: Cron, ended: Ended) -> bool:
    """Ends the run of a dead process, unless it gave a sign of life since it was seen.

    The run is wanted again, once: a task that kills its process must not kill one after the other.
    """
    silent = update(crons).where(
        crons.c.name == seen.name,
        _same(crons.c.runner, seen.runner),
        _same(crons.c.heartbeat_at, seen.heartbeat_at),
    )
    again = {} if seen.last_status is CronStatus.DIED else {"requested": ~crons.c.paused}
    return connection.execute(silent.values(_end_values(ended) | again)).rowcount == 1


def pause(connection: Connection, name: str, by: str) -> None:
    """It does not begin by itself any more."""
    connection.execute(update(crons).where(crons.c.name == name).values(paused=True, modified_by=by))


def resume(connection: Connection, name: str, due_at: datetime | None, by: str) -> None:
    """It begins by itself again, next at due_at."""
    paused = update(crons).where(crons.c.name == name, crons.c.paused.is_(True))
    connection.execute(paused.values(paused=False, due_at=due_at, modified_by=by))


def request(connection: Connection, name: str, by: str) -> None:
    """It shall run now, paused or not; when it runs already, once more after that."""
    connection.execute(update(crons).where(crons.c.name == name).values(requested=True, modified_by=by))


def _as_seen(seen: Cron) -> Update:
    return update(crons).where(crons.c.name == seen.name, _same(crons.c.due_at, seen.due_at))


def _same(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


def _end_values(ended: Ended) -> dict[str, Any]:
    values: dict[str, Any] = {
        "runner": None,
        "heartbeat_at": None,
        "last_ended_at": ended.at,
        "last_duration_s": ended.duration_s,
        "last_status": ended.status.value,
        "last_result": ended.result[:LONGEST_RESULT],
    }
    if ended.status is CronStatus.OK:
        values["last_success_at"] = ended.at
    if ended.status is CronStatus.INTERRUPTED:  # a missed run happens once, and this one was not done
        values["requested"] = ~crons.c.paused
    elif ended.status is not CronStatus.OK:
        values["failures"] = crons.c.failures + 1
    return values


def _cron(row: Mapping[Any, Any]) -> Cron:
    status = row["last_status"]
    flags = {name: bool(row[name]) for name in ("paused", "requested")}
    return Cron(**{**row, **flags, "last_status": None if status is None else CronStatus(status)})
