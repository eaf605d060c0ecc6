"""The demonstration machine: what it serves, how it starts, and that it leaves nothing."""

from __future__ import annotations

import csv
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.src.demonstration.catalogue import write_catalogue
from backend.src.demonstration.layout import catalogue, points
from tests.servers.machine import STOP_TIMEOUT_S, DemonstrationMachine

CLIENT = """
import asyncio, json, sys, time
import aioca
from p4p.client.thread import Context

async def channel_access(names):
    values = await aioca.caget(names, throw=False, timeout=40)
    before = after = float(await aioca.caget("GUN:IN20:1:PHAS", timeout=40))
    await aioca.caput("GUN:IN20:1:PDES", 100, wait=True, timeout=40)
    began = time.monotonic()
    while after <= 30 and time.monotonic() - began < 40:
        after = float(await aioca.caget("GUN:IN20:1:PHAS", timeout=40))
    aioca.purge_channel_caches()
    return {name: value.ok for name, value in zip(names, values)}, before, after

addresses = json.load(sys.stdin)
answers, before, after = asyncio.run(channel_access([a for a in addresses if not a.startswith("pva://")]))
with Context("pva") as context:
    for address in addresses:
        if address.startswith("pva://"):
            answers[address] = not isinstance(context.get(address[6:], timeout=40, throw=False), Exception)
    context.put("CAMR:IN20:186:EXPOSURE", 2**60 + 1, timeout=40)
    exposure = int(context.get("CAMR:IN20:186:EXPOSURE", timeout=40))
dead = [a for a, ok in answers.items() if not ok]
json.dump({"dead": dead, "before": before, "readback": after, "exposure": exposure}, sys.stdout)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[DemonstrationMachine]:
    with DemonstrationMachine(200, log=tmp_path / "machine.log") as running:
        yield running


def addresses(total: int) -> list[str]:
    return [text for row in catalogue(total) for text in (row.setpoint, row.readback) if text]


def test_every_address_of_the_catalogue_answers(machine: DemonstrationMachine) -> None:
    # in a process of its own: libca has read this one's environment already
    environment = {**os.environ, **machine.environment}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT], input=json.dumps(addresses(200)), env=environment,
        capture_output=True, text=True, timeout=150, check=True,
    )  # fmt: skip
    answers = json.loads(done.stdout)
    assert answers["dead"] == []
    assert answers["before"] <= 30 < answers["readback"], "a readback follows its setpoint"
    assert answers["readback"] < 100, "but lags"
    assert answers["exposure"] == 2**60 + 1


def test_it_ends_when_it_is_told_to_and_leaves_no_process(tmp_path: Path) -> None:
    with DemonstrationMachine(200, log=tmp_path / "machine.log") as machine:
        started = time.monotonic()
        machine.stop()
        assert time.monotonic() - started < STOP_TIMEOUT_S, "it was killed"
    assert not children_of_the_machine(machine)


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import pathlib, sys, time\n"
        "from tests.servers.machine import DemonstrationMachine\n"
        "machine = DemonstrationMachine(60, log=pathlib.Path(sys.argv[1]), prefix=sys.argv[2])\n"
        "machine.start()\n"
        "print(machine.environment['EPICS_CA_REPEATER_PORT'], flush=True)\n"
        "time.sleep(60)\n"
    )
    prefix = f"T{secrets.token_hex(4)}:"  # by which it is told from the machine of another run
    with subprocess.Popen(
        [sys.executable, "-c", starter, str(tmp_path / "log"), prefix], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        repeater_port = parent.stdout.readline().strip()
        assert repeater_port
        assert processes_with(f"--prefix={prefix}")
        parent.send_signal(signal.SIGKILL)
    wait_until_gone(f"--repeater-port={repeater_port}")
    wait_until_gone(f"--prefix={prefix}")


def wait_until_gone(argument: str) -> None:
    """Fails when a process with this argument still runs after twenty seconds."""
    for _ in range(200):
        if not processes_with(argument):
            return
        time.sleep(0.1)
    pytest.fail(f"processes {processes_with(argument)} outlived the machine")


def processes_with(argument: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and argument.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue  # it ended as we looked
    return found


def children_of_the_machine(machine: DemonstrationMachine) -> list[int]:
    return processes_with(f"--repeater-port={machine.environment['EPICS_CA_REPEATER_PORT']}")


def test_a_machine_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ERROR"):
        DemonstrationMachine(200, log=tmp_path / "machine.log", prefix='"').start()


@pytest.mark.parametrize("total", [1, 2, 60, 200, 5_000])
def test_the_catalogue_names_as_many_as_were_asked_for(total: int) -> None:
    named = addresses(total)
    assert len(named) == len(set(named)) == total


def test_a_small_machine_is_the_beginning_of_a_large_one() -> None:
    small, large = catalogue(201), catalogue(2_001)
    assert small[:-1] == large[: len(small) - 1]


def test_a_large_machine_has_no_name_twice_and_none_too_long() -> None:
    named = addresses(50_000)
    assert len(set(named)) == 50_000
    assert max(map(len, named)) < 60


def test_each_kind_is_there_in_a_small_machine() -> None:
    text = "".join(point.records for point in points(200))
    for kind in ("ao", "calc", "mbbo", "mbbi", "bo", "longout", "stringout", "waveform", "compress"):
        assert f"record({kind}," in text, kind


def test_the_catalogue_is_written_as_a_pv_list(tmp_path: Path) -> None:
    file = tmp_path / "machine.csv"
    write_catalogue(file, 200, prefix="DEMO:")
    with file.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert list(lines[0]) == ["Setpoint", "Readback", "Device", "Description", "Region", "Area", "Subsystem"]
    assert len(lines) == len(catalogue(200))
    assert all((line["Setpoint"] or line["Readback"]).removeprefix("pva://").startswith("DEMO:") for line in lines)
