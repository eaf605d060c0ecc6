"""The front page tells what it sees, the worst first, and no more than is open."""

from __future__ import annotations

import pytest

from backend.src.services.health import Condition, Dependency, Readiness, Summary
from backend.src.services.live import Counts, Heartbeat
from backend.src.web.docs.front_page import _line, _machine_line, _monitor_line, _verdict

ALIVE, DEAD, NEVER = Heartbeat(True, 1, 0.2), Heartbeat(False, 1, 75.0), Heartbeat(False, 0, None)
SQL, SQL_AWAY = Dependency("sql", True, True, 1.25), Dependency("sql", False, True, 2_000.0, "refused by db.example")
CACHE_AWAY = Dependency("cache", False, False, 2_000.0, "secret-host:6379")
READY = Readiness(Condition.READY, (), (SQL,))
DEGRADED = Readiness(Condition.DEGRADED, ("cache",), (SQL, CACHE_AWAY))
AWAY = Readiness(Condition.UNAVAILABLE, ("cache",), (SQL_AWAY, CACHE_AWAY))


def machine(beat: Heartbeat = ALIVE, *, connected: int = 2, gone: int = 0, issues: tuple[str, ...] = ()) -> Summary:
    counts = Counts(connected + gone, connected, gone, never_seen=0, stale=gone, in_alarm=0)
    found = (*issues, f"{gone} channels are not connected") if gone else issues
    return Summary("as the issues say", beat, counts, 0.0, found)


def test_the_worst_is_said_first() -> None:
    well = machine()
    assert _verdict(READY, well).grade == "good"
    assert (_verdict(DEGRADED, well).grade, _verdict(DEGRADED, well).state) == ("poor", "Cache")
    assert _verdict(DEGRADED, machine(gone=1)).state == "PVs: some connected"
    assert (_verdict(DEGRADED, machine(DEAD)).grade, _verdict(READY, machine(NEVER)).grade) == ("bad", "bad")
    assert (_verdict(AWAY, machine(DEAD)).name, _verdict(AWAY, well).state) == ("Out of order", "without: Database")


@pytest.mark.parametrize("condition", [one for one in Condition if not one.serves])
def test_what_takes_no_requests_does_not_work(condition: Condition) -> None:
    assert _verdict(Readiness(condition, (), (SQL,)), machine()).grade == "bad"


@pytest.mark.parametrize(
    ("summary", "state", "grade"),
    [
        (machine(), "all connected", "good"),
        (machine(gone=1), "some connected", "poor"),
        (machine(connected=0, gone=2), "none connected", "poor"),
        (machine(issues=("1 values differ",)), "all connected, some values in doubt", "poor"),
        (machine(connected=0), "no PVs yet", "good"),
        (machine(DEAD), "not known", "bad"),
    ],
)
def test_how_much_of_the_machine_is_there_without_a_number(summary: Summary, state: str, grade: str) -> None:
    assert (_machine_line(summary).state, _machine_line(summary).grade) == (state, grade)
    assert _verdict(READY, summary).grade == grade


def test_no_cause_and_no_host_is_told() -> None:
    for one in (SQL_AWAY, CACHE_AWAY):
        assert "example" not in _line(one).state + _line(one).name
        assert "6379" not in _line(one).state
    assert (_line(SQL_AWAY).grade, _line(CACHE_AWAY).grade, _line(SQL).grade) == ("bad", "poor", "good")


def test_the_monitor_says_when_it_was_heard_of() -> None:
    assert _monitor_line(ALIVE).state == "last sign of life 0.2 s ago"
    assert (_monitor_line(DEAD).grade, _monitor_line(DEAD).state) == ("bad", "last sign of life 75 s ago")
    assert _monitor_line(NEVER).state == "never since the start"
