"""`python -m bench`: runs the scenario several times and writes down the medians."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.aioca_client import ROOT
from bench.door import measure_door
from bench.figures import Samples
from bench.plots import write as draw
from bench.real_servers import embedded, real_servers
from bench.report import EMBEDDED, Run, door_section, misses, page
from bench.scenario import Wrong, monitor_cost, round_with_dead, whole_round
from tests.servers.soft_ioc import CLIENT_ENVIRONMENT, SoftIoc

DEAD_SHARE = 0.01
MOVING, RATE_HZ, MONITOR_S = 1_600, 5, 5.0
PAGES = {False: "performance.md", True: "performance-with-servers.md"}


def main() -> int:
    """0 when all was done rightly, 1 when Larder did something wrong; slow is not wrong."""
    options = _options()
    if options.door:
        return _door_alone(options)
    samples, dead, peak_bytes = Samples(), round(options.pvs * DEAD_SHARE), 0
    started = real_servers() if options.servers else embedded()
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as made, started as empty_set:
        folder = Path(made)
        try:
            with SoftIoc.scale(options.pvs) as ioc:
                for number in range(options.rounds):
                    _say(f"round {number + 1} of {options.rounds}: {options.pvs} PVs")
                    environment = {**empty_set(), **ioc.environment}
                    peak_bytes = max(peak_bytes, whole_round(ioc, _made(folder, f"{number}"), environment, samples))
                _say(f"{dead} dead PVs among {options.pvs}")
                environment = {**empty_set(), **ioc.environment}
                round_with_dead(ioc, dead, _made(folder, "dead"), environment, samples)
            _say(f"{MOVING} PVs that change {RATE_HZ} times a second")
            for number in range(options.rounds):
                environment = {**empty_set(), **ioc.environment}
                monitor_cost(
                    _made(folder, f"monitor{number}"), environment, samples,
                    moving=MOVING, rate_hz=RATE_HZ, for_s=MONITOR_S,
                )  # fmt: skip
            _say("the door")
            door = measure_door(_made(folder, "door"), {**empty_set(), **CLIENT_ENVIRONMENT}, options.rounds)
        except Wrong as wrong:
            _say(f"wrong: {wrong}")
            return 1
    servers = "MariaDB, redis-server and S3" if options.servers else EMBEDDED
    run = Run(options.pvs, dead, options.rounds, servers, peak_bytes)
    _write(options.output, page(run, samples, door))
    for miss in (*misses(run, samples), *door.misses()):
        _say(f"missed: {miss}")
    return 0


def _door_alone(options: argparse.Namespace) -> int:
    """Prints its part of the page."""
    started = real_servers() if options.servers else embedded()
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as made, started as empty_set:
        door = measure_door(Path(made), {**empty_set(), **CLIENT_ENVIRONMENT}, options.rounds)
    print("\n".join(door_section(door)))
    for miss in door.misses():
        _say(f"missed: {miss}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pvs", type=int, default=40_000, help="records of the machine (default 40000)")
    parser.add_argument("--rounds", type=int, default=3, help="how often all of it is done (default 3)")
    parser.add_argument("--servers", action="store_true", help="with MariaDB, redis-server and S3")
    parser.add_argument("--door", action="store_true", help="only what the door costs; printed, nothing is written")
    parser.add_argument("--output", type=Path, help="page to write (default: one in docs/reference)")
    options = parser.parse_args()
    options.output = options.output or ROOT / "docs/reference" / PAGES[options.servers]
    return options


def _made(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    draw(file)
    print(text)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
