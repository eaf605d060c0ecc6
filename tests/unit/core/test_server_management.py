"""Starting in order, stopping in reverse, and what happens when a step fails or hangs."""

import asyncio
import logging

import pytest

from backend.src.core.errors import StartFailed, Unavailable
from backend.src.core.server_management import ServerManagement, Step


class Recorder:
    """A service that writes down what is done to it."""

    def __init__(self, name: str, log: list[str], *, start: object = None, stop: object = None) -> None:
        self.name, self.log, self._start, self._stop = name, log, start, stop

    async def start(self) -> None:
        self.log.append(f"start {self.name}")
        await self._do(self._start)

    async def stop(self) -> None:
        self.log.append(f"stop {self.name}")
        await self._do(self._stop)

    async def ping(self) -> None:
        raise NotImplementedError

    async def _do(self, what: object) -> None:
        if isinstance(what, BaseException):
            raise what
        if what == "hang":
            await asyncio.sleep(60)


def manage(*services: Recorder) -> ServerManagement:
    steps = [Step(service.name, service) for service in services]
    return ServerManagement(steps, start_timeout_s=0.2, stop_timeout_s=0.2)


async def test_starts_in_order_and_stops_in_reverse(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log: list[str] = []
    management = manage(Recorder("a", log), Recorder("b", log))
    await management.start()
    assert management.started == ("a", "b")
    await management.stop()
    assert log == ["start a", "start b", "stop b", "stop a"]
    for words in ("started a in", "started b in", "stopped b in", "stopped a in"):
        assert words in caplog.text


async def test_a_service_that_fails_is_named_with_the_remedy_and_the_rest_is_stopped() -> None:
    log: list[str] = []
    failing = Recorder("b", log, start=Unavailable("no database", remedy="set DB_HOST"))
    management = manage(Recorder("a", log), failing, Recorder("c", log))
    with pytest.raises(StartFailed, match="b could not start: no database") as caught:
        await management.start()
    assert caught.value.remedy == "set DB_HOST"
    assert log == ["start a", "start b", "stop b", "stop a"]
    assert management.started == ()


async def test_a_service_that_hangs_at_start_is_named() -> None:
    log: list[str] = []
    with pytest.raises(StartFailed, match=r"a did not start within 0\.2 s"):
        await manage(Recorder("a", log, start="hang")).start()
    assert log == ["start a", "stop a"]


async def test_an_unforeseen_error_stops_the_rest_too() -> None:
    log: list[str] = []
    with pytest.raises(ZeroDivisionError):
        await manage(Recorder("a", log), Recorder("b", log, start=ZeroDivisionError())).start()
    assert log[-2:] == ["stop b", "stop a"]


@pytest.mark.parametrize("trouble", [RuntimeError("stuck valve"), "hang"])
async def test_a_service_that_does_not_stop_keeps_no_other(trouble: object, caplog: pytest.LogCaptureFixture) -> None:
    log: list[str] = []
    management = manage(Recorder("a", log), Recorder("b", log, stop=trouble))
    await management.start()
    await management.stop()
    assert log[-2:] == ["stop b", "stop a"]
    assert "b did not stop cleanly" in caplog.text


async def test_stopping_twice_or_before_the_start_is_harmless() -> None:
    log: list[str] = []
    management = manage(Recorder("a", log))
    await management.stop()
    await management.start()
    await management.stop()
    await management.stop()
    assert log == ["start a", "stop a"]
