"""When something runs by itself: `off`, `every 15m` or `cron 0 3 * * *`, and behind either `, jitter 30s`.

`every` counts from midnight UTC of 1970, so that all processes mean the same moments. The five fields of `cron` are
those of crontab(5), in UTC: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday), each a
number, a name, a list, a range or a step; when both days are restricted, either of them is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

REMEDY = "write off, every 15m or cron 0 3 * * *, with a jitter behind it if you like: every 15m, jitter 1m"
LONGEST_S = 366 * 86_400.0
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST_MONTH = {4: 30, 6: 30, 9: 30, 11: 30, 2: 29}
_MOST = 400  # characters: nobody needs more, and a damaged file shall not take long to refuse

_period = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
_part = re.compile(r"(?:(\*)|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?", re.ASCII)


class Kind(StrEnum):
    """How the moments are found."""

    OFF = "off"
    EVERY = "every"
    CRON = "cron"


@dataclass(frozen=True, slots=True)
class CronFields:
    """The moments of a cron expression; weekdays: 0 is Sunday. None: any."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...] | None
    months: tuple[int, ...]
    weekdays: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as it was written, and what it means. jitter_s: the most by which a run is put off, at random."""

    text: str
    kind: Kind
    interval_s: float = 0.0
    fields: CronFields | None = None
    jitter_s: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Raises ValueError that says what is wrong with the text."""
        if len(text) > _MOST:
            raise ValueError("it is too long")
        when, _, behind = " ".join(text.lower().split()).partition(", jitter ")
        kind, _, rest = when.partition(" ")
        jitter_s = _seconds(behind) if behind else 0.0
        if when == Kind.OFF:
            return cls(text, Kind.OFF)
        if kind == Kind.EVERY:
            return cls(text, Kind.EVERY, interval_s=_interval(rest, jitter_s), jitter_s=jitter_s)
        if kind == Kind.CRON:
            return cls(text, Kind.CRON, fields=_cron(rest), jitter_s=jitter_s)
        raise ValueError("it begins with neither off, every nor cron")

    @property
    def off(self) -> bool:
        """Whether it never comes."""
        return self.kind is Kind.OFF


def _interval(text: str, jitter_s: float) -> float:
    interval_s = _seconds(text)
    if jitter_s >= interval_s:
        raise ValueError("the jitter is as long as the interval, or longer")
    return interval_s


def _seconds(text: str) -> float:
    found = _period.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no length of time, such as 30s, 15m, 6h or 1d")
    seconds = float(int(found[1]) * _SECONDS[found[2]])
    if not 1 <= seconds <= LONGEST_S:
        raise ValueError(f"{text} is not between a second and a year")
    return seconds


def _cron(text: str) -> CronFields:
    words = text.split()
    if len(words) != 5:
        raise ValueError("cron needs five fields: minute, hour, day of the month, month, day of the week")
    minutes, hours, days, months, weekdays = words
    named_days = {name: number for number, name in enumerate(_WEEKDAYS)}
    fields = CronFields(
        minutes=_values(minutes, "minute", 0, 59),
        hours=_values(hours, "hour", 0, 23),
        days=None if days == "*" else _values(days, "day of the month", 1, 31),
        months=_values(months, "month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
        weekdays=None if weekdays == "*" else _weekdays(_values(weekdays, "day of the week", 0, 7, named_days)),
    )
    if fields.days and not fields.weekdays and min(fields.days) > max(_LONGEST_MONTH.get(m, 31) for m in fields.months):
        raise ValueError("no such month has such a day: it would never come")
    return fields


def _weekdays(numbers: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({number % 7 for number in numbers}))


def _values(text: str, field: str, least: int, most: int, names: Mapping[str, int] | None = None) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        found.update(_range(part, field, least, most, names or {}))
    return tuple(sorted(found))


def _range(part: str, field: str, least: int, most: int, names: Mapping[str, int]) -> Iterator[int]:
    matched = _part.fullmatch(part)
    if matched is None:
        raise ValueError(f"{part!r} is no {field}")
    star, first, last, step = matched.groups()
    begin = least if star else _number(first, field, names)
    end = most if star or (step and not last) else _number(last or first, field, names)
    if not least <= begin <= end <= most or step in ("0", "00"):
        raise ValueError(f"{part!r} is no {field}: from {least} to {most}")
    yield from range(begin, end + 1, int(step or 1))


def _number(word: str, field: str, names: Mapping[str, int]) -> int:
    if word.isdecimal():
        return int(word)
    if word not in names:
        raise ValueError(f"{word!r} is no {field}")
    return names[word]
