"""What the database says for /metrics, over both databases."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy import insert, update

from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import crons, jobs, outbox
from backend.src.services.crons import cron_rows
from backend.src.services.crons.cron import CronStatus, Ended
from backend.src.services.health import Backlog, BacklogFigures, CronFigures
from tests.manual_clock import ManualClock

NOW = ManualClock().now()


def job(number: int, status: str, age_s: float) -> dict[str, object]:
    return {"id": f"j{number}", "type": "t", "status": status, "created_at": NOW - timedelta(seconds=age_s)}


def mail(number: int, status: str, age_s: float) -> dict[str, object]:
    words = {name: f"{name} {number}" for name in ("message_id", "recipient", "subject")}
    return words | {"status": status, "created_at": NOW - timedelta(seconds=age_s), "give_up_at": NOW}


async def fill(sql: SQL) -> None:
    await sql.write(
        lambda connection: connection.execute(
            insert(jobs), [job(1, "pending", 30), job(2, "pending", 90), job(3, "failed", 900), job(4, "running", 500)]
        )
    )
    await sql.write(
        lambda connection: connection.execute(insert(outbox), [mail(1, "waiting", 20), mail(2, "sent", 4000)])
    )
    rows = [
        {"name": name, "paused": name in ("mail", "tokens"), "due_at": None if name == "off" else NOW, "runner": "here"}
        for name in ("outbox", "mail", "jobs", "tokens", "off")
    ]
    await sql.write(lambda connection: connection.execute(insert(crons), rows))
    ended = Ended(CronStatus.OK, "", NOW - timedelta(seconds=60), 0.1)
    failed = Ended(CronStatus.FAILED, "", NOW, 0.1)
    await sql.write(lambda connection: cron_rows.end(connection, "outbox", "here", ended))
    for name in ("jobs", "tokens", "off"):
        await sql.write(partial(cron_rows.end, name=name, runner="here", ended=failed))


async def test_what_waits_and_for_how_long(sql: SQL) -> None:
    await fill(sql)
    assert await Backlog(sql, ManualClock()).figures() == BacklogFigures(
        jobs={"pending": 2, "failed": 1, "running": 1},
        oldest_job_s=90.0,
        mail={"waiting": 1, "sent": 1},
        oldest_mail_s=20.0,
        crons={
            "outbox": CronFigures(60.0, 0, failing=False, paused=False),
            "mail": CronFigures(None, 0, failing=False, paused=True),
            "jobs": CronFigures(None, 1, failing=True, paused=False),
            # nobody waits for these two: an alert would never end
            "tokens": CronFigures(None, 1, failing=False, paused=True),
            "off": CronFigures(None, 1, failing=False, paused=False),
        },
        sessions=0,
        snapshots=0,
    )


async def test_a_cron_fails_from_a_failure_to_the_next_success(sql: SQL) -> None:
    row = {"name": "archives", "paused": False, "due_at": NOW}
    await sql.write(lambda connection: connection.execute(insert(crons), [row]))
    seen = []
    for number, status in enumerate((CronStatus.DIED, CronStatus.OK, CronStatus.FAILED, CronStatus.INTERRUPTED)):
        await archives_end(sql, f"runner {number}", status)
        figures = await Backlog(sql, ManualClock()).figures()
        assert figures is not None
        seen.append(figures.crons["archives"].failing)
    assert seen == [True, False, True, False]


async def archives_end(sql: SQL, runner: str, status: CronStatus) -> None:
    ended = Ended(status, "", NOW, 0.1)
    mine = update(crons).where(crons.c.name == "archives").values(runner=runner)
    await sql.write(lambda connection: connection.execute(mine))
    await sql.write(lambda connection: cron_rows.end(connection, "archives", runner, ended))


async def test_however_often_it_is_asked_the_database_is_asked_seldom(sql: SQL) -> None:
    clock = ManualClock()
    backlog = Backlog(sql, clock)
    await backlog.figures()
    before = sql.figures.statements
    await backlog.figures()
    assert sql.figures.statements == before
    clock.advance(6)
    await backlog.figures()
    assert sql.figures.statements > before


async def test_a_database_that_is_away_is_no_crash(sql: SQL) -> None:
    await sql.stop()
    assert await Backlog(sql, ManualClock()).figures() is None
