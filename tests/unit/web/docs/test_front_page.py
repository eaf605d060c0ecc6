"""The front page tells what it sees, the worst first, and no more than is open."""

from __future__ import annotations

from backend.src.services.health import Condition, Dependency, Readiness
from backend.src.services.live import Heartbeat
from backend.src.web.docs.front_page import _line, _monitor_line, _verdict

ALIVE, DEAD, NEVER = Heartbeat(True, 1, 0.2), Heartbeat(False, 1, 75.0), Heartbeat(False, 0, None)
SQL, SQL_AWAY = Dependency("sql", True, True, 1.25), Dependency("sql", False, True, 2_000.0, "refused by db.example")
CACHE_AWAY = Dependency("cache", False, False, 2_000.0, "secret-host:6379")


def test_the_worst_is_said_first() -> None:
    ready = Readiness(Condition.READY, (), (SQL,))
    degraded = Readiness(Condition.DEGRADED, ("cache",), (SQL, CACHE_AWAY))
    away = Readiness(Condition.UNAVAILABLE, ("cache",), (SQL_AWAY, CACHE_AWAY))
    assert _verdict(ready, ALIVE).grade == "good"
    assert (_verdict(degraded, ALIVE).grade, _verdict(degraded, ALIVE).state) == ("poor", "Cache")
    assert (_verdict(degraded, DEAD).grade, _verdict(ready, NEVER).grade) == ("bad", "bad")
    assert (_verdict(away, DEAD).name, _verdict(away, DEAD).state) == ("Out of order", "without: Database")


def test_no_cause_and_no_host_is_told() -> None:
    for one in (SQL_AWAY, CACHE_AWAY):
        assert "example" not in _line(one).state + _line(one).name
        assert "6379" not in _line(one).state
    assert (_line(SQL_AWAY).grade, _line(CACHE_AWAY).grade, _line(SQL).grade) == ("bad", "poor", "good")


def test_the_monitor_says_when_it_was_heard_of() -> None:
    assert _monitor_line(ALIVE).state == "last sign of life 0.2 s ago"
    assert (_monitor_line(DEAD).grade, _monitor_line(DEAD).state) == ("bad", "last sign of life 75 s ago")
    assert _monitor_line(NEVER).state == "never since the start"
