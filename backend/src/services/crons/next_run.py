"""The next moment of a schedule."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from backend.src.config.schedule import CronFields, Kind, Schedule

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")  # by name: APScheduler counts from Monday


def next_run(schedule: Schedule, after: datetime) -> datetime | None:
    """The first moment later than `after`, put off by a random part of the jitter; None when it never comes."""
    planned = _planned(schedule, after)
    if planned is None or not schedule.jitter_s:
        return planned
    return planned + timedelta(seconds=random.uniform(0, schedule.jitter_s))


def _planned(schedule: Schedule, after: datetime) -> datetime | None:
    if schedule.kind is Kind.EVERY:
        periods = math.floor(after.timestamp() / schedule.interval_s) + 1
        return datetime.fromtimestamp(periods * schedule.interval_s, UTC)
    if schedule.fields is None:
        return None
    # the trigger gives the first moment that is not earlier
    found: datetime | None = _trigger(schedule.fields).get_next_fire_time(None, after + timedelta(microseconds=1))
    return found


@lru_cache(maxsize=64)
def _trigger(fields: CronFields) -> Any:
    if fields.days is None or fields.weekdays is None:
        return _one_trigger(fields, days=fields.days, weekdays=fields.weekdays)
    # crontab(5): either is enough; one trigger with both would ask for both
    return OrTrigger(
        [
            _one_trigger(fields, days=fields.days, weekdays=None),
            _one_trigger(fields, days=None, weekdays=fields.weekdays),
        ]
    )


def _one_trigger(fields: CronFields, *, days: tuple[int, ...] | None, weekdays: tuple[int, ...] | None) -> Any:
    return CronTrigger(
        minute=_listed(fields.minutes),
        hour=_listed(fields.hours),
        day=_listed(days) if days else "*",
        month=_listed(fields.months),
        day_of_week=",".join(_WEEKDAYS[number] for number in weekdays) if weekdays else "*",
        timezone=UTC,
    )


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))
