"""The next moment: crontab(5)'s meaning, in UTC, always later than asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.services.crons import Schedule
from backend.src.services.crons.next_run import next_run

THURSDAY = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("every 15m", datetime(2026, 1, 1, 12, 45)),
        ("every 1d", datetime(2026, 1, 2)),
        ("cron 30 12 * * *", datetime(2026, 1, 2, 12, 30)),
        ("cron 31 12 * * *", datetime(2026, 1, 1, 12, 31)),
        ("cron 0 0 * * 0", datetime(2026, 1, 4)),
        ("cron 0 0 * * mon", datetime(2026, 1, 5)),
        ("cron 0 0 29 2 *", datetime(2028, 2, 29)),
        ("cron 0 0 31 * *", datetime(2026, 1, 31)),
        ("cron 0 0 13 * fri", datetime(2026, 1, 2)),  # either day is enough
        ("cron 0 0 3 * fri", datetime(2026, 1, 2)),
        ("cron 0 0 2 * sat", datetime(2026, 1, 2)),
    ],
)
def test_the_next_moment(text: str, expected: datetime) -> None:
    assert next_run(Schedule.parse(text), THURSDAY) == expected.replace(tzinfo=UTC)


def test_off_never_comes() -> None:
    assert next_run(Schedule.parse("off"), THURSDAY) is None


@given(MOMENTS, st.sampled_from(["every 7s", "every 15m", "cron */5 * * * *", "cron 0 3 * * *, jitter 5m"]))
def test_it_is_later_and_no_further_than_a_period_and_the_jitter(moment: datetime, text: str) -> None:
    schedule = Schedule.parse(text)
    found = next_run(schedule, moment)
    assert found is not None
    assert moment < found <= moment + timedelta(days=1, seconds=schedule.jitter_s)


def test_the_jitter_differs_from_one_time_to_the_next() -> None:
    schedule = Schedule.parse("every 1h, jitter 30m")
    found = {next_run(schedule, THURSDAY) for _ in range(20)}
    assert len(found) > 1
    assert all(moment is not None and timedelta(0) <= moment - THURSDAY < timedelta(hours=1) for moment in found)
