"""The one stop event and the signals that set it."""

import asyncio
import os
import signal

import pytest

from backend.src.core.runtime_control import RuntimeControl


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_asks_for_the_end(number: signal.Signals) -> None:
    control = RuntimeControl()
    with control.signals():
        os.kill(os.getpid(), number)
        await asyncio.wait_for(control.wait(), 30)
    assert control.stopping and control.reason == f"received {number.name}"


async def test_the_first_reason_is_kept() -> None:
    control = RuntimeControl()
    assert not control.stopping
    control.stop("first")
    control.stop("second")
    assert control.reason == "first"


async def test_the_end_waits_for_those_who_balance() -> None:
    control = RuntimeControl()
    draining = asyncio.ensure_future(control.drained(60))
    await asyncio.sleep(0)
    control.stop("first")
    await asyncio.sleep(0.01)
    assert control.stopping and not draining.done()
    control.stop("asked again")
    await asyncio.wait_for(draining, 30)


async def test_without_a_drain_the_end_comes_at_once() -> None:
    control = RuntimeControl()
    control.stop("now")
    await asyncio.wait_for(control.drained(0), 30)
