"""Background work: named, restarted, stopped together."""

import asyncio

import pytest

from backend.src.core import supervisor as module
from backend.src.core.errors import Conflict, Unavailable
from backend.src.core.supervisor import Supervisor


async def until(condition: object) -> None:
    async with asyncio.timeout(30):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_a_loop_that_crashes_is_started_again_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY_S", 0.01)
    runs = []

    async def run() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("boom")
        await asyncio.sleep(60)

    supervisor = Supervisor()
    supervisor.start_loop("pump", run)
    await until(lambda: len(runs) == 3)
    assert supervisor.running() == ("pump",)
    assert supervisor.crashes() == {"pump": 2}
    assert "background task pump failed" in caplog.text and "boom" in caplog.text
    await supervisor.stop()
    assert supervisor.running() == ()


async def test_a_server_that_is_away_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise Unavailable("the database at db:3306 is away")

    supervisor = Supervisor()
    supervisor.start_task("note", work)
    await until(lambda: supervisor.running() == ())
    assert "background task note failed: the database at db:3306 is away" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_loop_that_returns_has_ended() -> None:
    async def run() -> None:
        return

    supervisor = Supervisor()
    supervisor.start_loop("short", run)
    await until(lambda: supervisor.running() == ())


async def test_one_task_a_name() -> None:
    supervisor = Supervisor()

    async def work() -> None:
        await asyncio.sleep(60)

    supervisor.start_task("one", work)
    with pytest.raises(Conflict, match="one"):
        supervisor.start_task("one", work)
    await supervisor.stop("one")
    supervisor.start_task("one", work)
    await supervisor.stop()


async def test_a_task_that_fails_is_logged_and_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    runs = []

    async def work() -> None:
        runs.append(1)
        raise ValueError("once")

    supervisor = Supervisor()
    supervisor.start_task("one", work)
    await until(lambda: supervisor.running() == ())
    await asyncio.sleep(0.05)
    assert runs == [1] and "once" in caplog.text


async def test_a_loop_that_ends_in_the_turn_of_its_stop_can_be_started_again() -> None:
    supervisor, go_on = Supervisor(), asyncio.Event()

    async def run() -> None:
        await go_on.wait()

    for turns in range(4):
        go_on.clear()
        supervisor.start_loop("pump", run)
        await asyncio.sleep(0)
        go_on.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        await supervisor.stop("pump")
        assert supervisor.running() == ()
        go_on.clear()
        supervisor.start_loop("pump", run)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert supervisor.running() == ("pump",), "the end of the first is not taken for that of the second"
        await supervisor.stop()
