"""`larder demo`: a demonstration machine, and the server that watches it, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from backend.src.commands.configuration import add_configuration, read_settings
from backend.src.commands.demo_run import DemoRun
from backend.src.commands.printing import stdout
from backend.src.commands.tour import tour
from backend.src.core.errors import Invalid

FEWEST_PVS, MOST_PVS = 50, 200_000
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the size of the machine and --tour."""
    add_configuration(parser)
    parser.add_argument("--pvs", type=int, help="size of the machine (default: DEMO_PVS, or 200)")
    parser.add_argument("--tour", action="store_true", help="walk through the main job once, then stop")


def run(options: argparse.Namespace) -> int:
    """Starts both, prints how to reach them and waits; a tour ends by itself."""
    pvs = _size(options)
    settings = read_settings(options)
    stopping = threading.Event()
    with _signals(stopping), DemoRun(settings, options.config, pvs, stopping) as demo:
        demo.start()
        if options.tour and not stopping.is_set():
            with demo.api() as api:
                tour(api)
            return 0
        if not stopping.is_set():
            stdout.print(demo.banner(), markup=False, highlight=False)
        demo.wait()
    return INTERRUPTED if options.tour else 0


def _size(options: argparse.Namespace) -> int:
    text = str(options.pvs if options.pvs is not None else os.environ.get("DEMO_PVS") or 200)
    if not text.isdigit() or not FEWEST_PVS <= int(text) <= MOST_PVS:
        raise Invalid(f"a machine of {text} PVs", remedy=f"set DEMO_PVS to a number from {FEWEST_PVS} to {MOST_PVS}")
    return int(text)


@contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM set the event: children are then stopped in order, whoever got the signal."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
