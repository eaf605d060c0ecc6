"""What a schedule may say, and what it means."""

from __future__ import annotations

import pytest

from backend.src.config.errors import ConfigurationError
from backend.src.config.schedule import Kind, Schedule
from backend.src.config.settings import CronSettings, Settings
from backend.src.config.validation import validate


@pytest.mark.parametrize(
    ("text", "interval_s", "jitter_s"),
    [
        ("every 15m", 900, 0),
        ("every 1s", 1, 0),
        ("Every  2h,  jitter 30s", 7200, 30),
        ("every 1d, jitter 6h", 86400, 21600),
    ],
)
def test_an_interval(text: str, interval_s: float, jitter_s: float) -> None:
    schedule = Schedule.parse(text)
    assert (schedule.kind, schedule.interval_s, schedule.jitter_s) == (Kind.EVERY, interval_s, jitter_s)


def test_a_cron_expression() -> None:
    fields = Schedule.parse("cron */20 8-18/5,23 1,15 jan-mar mon-fri, jitter 5m").fields
    assert fields is not None
    assert fields.minutes == (0, 20, 40)
    assert fields.hours == (8, 13, 18, 23)
    assert (fields.days, fields.months, fields.weekdays) == ((1, 15), (1, 2, 3), (1, 2, 3, 4, 5))


def test_sunday_has_two_numbers() -> None:
    texts = ("cron 0 0 * * 0", "cron 0 0 * * 7", "cron 0 0 * * sun")
    assert {Schedule.parse(text).fields for text in texts} == {Schedule.parse("cron 0 0 * * 0").fields}


@pytest.mark.parametrize(
    "text",
    [
        "", "never", "every", "every 0s", "every 15", "every 1w", "every -5m", "every 15m,jitter 1m", "every 400d",
        "every 1m, jitter 1m", "every 15m, jitter x", "every 15m, jitter ", "every 1.5h", "every ١m",
        "cron", "cron * * * *", "cron * * * * * *", "cron 60 * * * *", "cron * 24 * * *", "cron * * 0 * *",
        "cron * * * 13 *", "cron * * * * 8", "cron */0 * * * *", "cron 5-1 * * * *", "cron 1,,2 * * * *",
        "cron 0 0 30 2 *", "cron 0 0 31 feb,apr *", "cron x * * * *", "cron * * * mon *", "cron -1 * * * *",
        "off please", "every 1m" + " " * 500 + ",", "cron " + "1," * 300 + "1 * * * *",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Schedule.parse(text)


def test_the_leap_day_may_come() -> None:
    assert Schedule.parse("cron 0 0 29 2 *").fields is not None


def test_the_configuration_names_key_and_remedy() -> None:
    with pytest.raises(ConfigurationError, match=r"crons\.jobs = 'cron 0 25 \* \* \*'") as refused:
        validate(Settings(crons=CronSettings(jobs="cron 0 25 * * *")))
    assert "every 15m" in refused.value.remedy
