"""The figures as text and as a page of the documentation."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.door import GET, LEAST_RATIO, LOGINS, MOST_CHECK_S, DoorFigures
from bench.figures import PAIRS, TARGETS, Samples

MICROSECOND = 1e-6
TARGET_PVS = 40_000  # what the targets are for
ROOT = Path(__file__).parents[1]
EMBEDDED = "everything embedded"


@dataclass(frozen=True, slots=True)
class Run:
    """What was run."""

    pvs: int
    dead: int
    rounds: int
    servers: str
    peak_bytes: int


def page(run: Run, samples: Samples, door: DoorFigures) -> str:
    """A page of Markdown."""
    parts = (*_head(run), *_figures(run, samples), "", *_beside_aioca(run, samples), "", *door_section(door), "")
    return "\n".join(parts)


def _head(run: Run) -> Iterator[str]:
    yield "# Performance"
    yield ""
    yield (
        f"Written by `make bench`: {run.pvs:,} PVs of one soft IOC on loopback, {run.servers}, {run.rounds} rounds; "
        f"medians, with the least and the most in brackets. {_machine()}. "
        f"The server's peak memory was {run.peak_bytes / 2**20:.0f} MB."
    )
    yield ""
    yield (
        "Every restore was verified by an independent client (aioca). Such figures depend on the machine and on what "
        "else it does; the ratios below, of two programs in the same run, less so."
    )
    yield ""


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def _figures(run: Run, samples: Samples) -> Iterator[str]:
    yield "| work | took | at most | Squirrel |"
    yield "|---|---|---|---|"
    for work, target in TARGETS.items():
        if work not in samples:
            continue
        values = samples.of(work)
        took = f"{_time(samples.median(work))} ({_time(min(values))} - {_time(max(values))})"
        at_most = _time(target.at_most_s) if target.at_most_s and run.pvs == TARGET_PVS else "-"
        squirrel = _time(target.squirrel_s) if target.squirrel_s and run.pvs == TARGET_PVS else "-"
        yield f"| {work} | {took} | {at_most} | {squirrel} |"
    yield ""
    yield f"Dead means {run.dead} addresses that nobody serves, in a list of the same length."
    yield "Squirrel's figures are of the same work on a machine with two cores."
    yield ""
    yield drawing(run.servers, "work")


def _beside_aioca(run: Run, samples: Samples) -> Iterator[str]:
    yield "## Beside plain aioca"
    yield ""
    yield "| work | Larder | aioca | ratio |"
    yield "|---|---|---|---|"
    for title, ours, theirs in PAIRS:
        if ours in samples and theirs in samples:
            us, them = samples.median(ours), samples.median(theirs)
            yield f"| {title} | {_time(us)} | {_time(them)} | {them / us:.1f} |"
    yield ""
    yield "Larder's side holds more than aioca's: a snapshot is archived and recorded; a restore plans, saves what it"
    yield "overwrites and reads every value back; the live table keeps time, alarm and connection of each PV."
    yield ""
    yield drawing(run.servers, "aioca")


def drawing(servers: str, name: str) -> str:
    """What bench/plots.py makes of the table above it."""
    stem = "performance" if servers == EMBEDDED else "performance-with-servers"
    return f"![the same, drawn]({stem}-{name}.svg)"


def door_section(door: DoorFigures) -> Iterator[str]:
    """What authentication costs."""
    bare, larder = statistics.median(door.bare), statistics.median(door.larder)
    yield "## The door"
    yield ""
    yield "| what | measured | shall be |"
    yield "|---|---|---|"
    check, most = _time(door.check_s), _time(MOST_CHECK_S)
    yield f"| check of an access token, {LOGINS:,} logins on record | {check} | at most {most} |"
    yield f"| a bare FastAPI route, answers a second | {bare:,.0f} | - |"
    yield f"| `GET {GET}` of Larder with a key, answers a second | {larder:,.0f} | - |"
    yield f"| the second as a part of the first, pair by pair | {door.ratio:.2f} | at least {LEAST_RATIO:g} |"
    yield ""
    yield "The check is that of a process where many people are logged in; it asks the cache again every second. Both"
    yield "servers are uvicorn, one process each; the load is 16 connections from a process of its own, here."


def _time(seconds: float) -> str:
    if 10 * MICROSECOND <= seconds < 1000 * MICROSECOND:
        return f"{seconds / MICROSECOND:.0f} µs"
    if seconds < 10 * MICROSECOND:
        return f"{seconds / MICROSECOND:.2g} µs"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s"


def misses(run: Run, samples: Samples) -> list[str]:
    """The figures that are above what they shall be at most."""
    if run.pvs != TARGET_PVS:
        return []
    return [
        f"{work}: {_time(samples.median(work))} instead of {_time(target.at_most_s)}"
        for work, target in TARGETS.items()
        if target.at_most_s and work in samples and samples.median(work) > target.at_most_s
    ]
