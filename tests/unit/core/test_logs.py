"""A line of the log says on whose behalf it was written."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.src.core import logs
from backend.src.core.log_context import CRON, JOB, REQUEST, acting_for, carried
from backend.src.core.supervisor import Supervisor

log = logging.getLogger("backend.src.tests.logs")


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    logging.captureWarnings(False)
    root.handlers[:], root.level = kept


def test_a_line_of_json_has_the_ids_of_its_context(written: Callable[[], str]) -> None:
    logs.set_up(debug=False, log_format="json")
    with acting_for(REQUEST, "r-1"):
        log.info("asked")
        with acting_for(JOB, "j-1"):
            log.info("worked")
    log.info("by itself")
    lines = [json.loads(line) for line in written().splitlines()]
    ids = [{name: line[name] for name in ("request", "job") if name in line} for line in lines]
    assert ids == [{"request": "r-1"}, {"job": "j-1"}, {}]


def test_a_line_of_text_has_them_too_before_the_traceback(written: Callable[[], str]) -> None:
    logs.set_up(debug=False, log_format="text")
    with acting_for(CRON, "outbox"):
        try:
            raise ValueError("odd")
        except ValueError:
            log.exception("failed")
    first, *traceback = written().splitlines()
    assert first.endswith("tests.logs: failed [cron=outbox]")
    assert traceback[-1] == "ValueError: odd"


async def test_threads_know_who_asked() -> None:
    with ThreadPoolExecutor(1) as threads, acting_for(REQUEST, "r-1"):
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(threads, carried(REQUEST.get)) == "r-1"
        assert await loop.run_in_executor(threads, REQUEST.get) == "", "carried makes the difference"


async def test_a_task_acts_for_who_began_it_and_a_loop_for_nobody() -> None:
    supervisor, seen = Supervisor(), {}

    async def note(kind: str) -> None:
        seen[kind] = REQUEST.get()

    with acting_for(REQUEST, "r-1"):
        supervisor.start_task("task", lambda: note("task"))
        supervisor.start_loop("loop", lambda: note("loop"))
        await asyncio.sleep(0.01)
    await supervisor.stop()
    assert seen == {"task": "r-1", "loop": ""}


def test_debug_shows_debug_lines_of_ours_and_not_of_chatty_libraries(written: Callable[[], str]) -> None:
    logs.set_up(debug=True, log_format="text")
    log.debug("ours")
    logging.getLogger("httpcore").debug("theirs")
    assert [line.split(": ")[1] for line in written().splitlines()] == ["ours"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_is_logged_cannot_pretend_to_be_another_line(written: Callable[[], str], log_format: str) -> None:
    logs.set_up(debug=False, log_format=log_format)
    log.info("GET %s", "/v1/pvs\n2026-01-01 INFO core: all is well\x1b[2J\u2028\r")
    lines = written().splitlines()
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
    assert r"\n2026" in lines[0]
