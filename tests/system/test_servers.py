"""The servers of the tests themselves: they answer, die and come back as they claim."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from p4p.client.thread import Context, RemoteError

from tests.servers.pva_server import ARRAYS, SCALARS, PvaServer
from tests.servers.records import ENUM_LABELS, FIELDS, FTVLS, LONG_TEXT, UTF8_TEXT
from tests.servers.soft_ioc import PLACES, SoftIoc

TIMEOUT_S = 20.0


def read(pv: str, timeout_s: float = TIMEOUT_S) -> object:
    """By a context of its own: one that lost its server waits longer and longer before it looks again."""
    with Context("pva") as context:
        return context.get(pv, timeout=timeout_s)


def test_each_kind_of_record_answers(types_ioc: SoftIoc) -> None:
    names = ["DOUBLE", "LONG", "INT64", "ENUM", "BOOL", "STRING", "LSO", "TEXT", "META", "INVALID", *FIELDS.values()]
    names += [f"WF:{ftvl}{size}" for ftvl in FTVLS for size in ("", ":ONE", ":EMPTY", ":MANY")]
    names = [name for name in names if not name.startswith("WF:ENUM") or name.endswith("ONE")]
    with Context("pva") as context:
        values = context.get([types_ioc.pv(name) for name in names], timeout=TIMEOUT_S, throw=False)
        found = dict(zip(names, values, strict=True))
        assert {name: value for name, value in found.items() if isinstance(value, Exception)} == {}
        assert context.get(types_ioc.pv("STRING:UTF8")) == UTF8_TEXT
        assert len(UTF8_TEXT.encode()) == 39
        assert bytes(found["TEXT"]).decode() == LONG_TEXT
        assert int(found["INT64"]) == 2**53 + 1
        assert tuple(found["ENUM"].raw.value.choices) == ENUM_LABELS
        assert [len(found[f"WF:DOUBLE{size}"]) for size in ("", ":EMPTY", ":MANY")] == [3, 0, 1000]


def test_an_ioc_dies_and_comes_back_on_its_ports() -> None:
    with SoftIoc.types() as ioc:
        ports = ioc.ports
        assert read(ioc.pv("DOUBLE")) == 1.5
        ioc.kill()
        with pytest.raises(TimeoutError):
            read(ioc.pv("DOUBLE"), 0.3)
        ioc.restart()
        assert ioc.ports == ports
        assert read(ioc.pv("DOUBLE")) == 1.5


def test_a_paused_ioc_answers_when_it_is_resumed() -> None:
    with SoftIoc.types() as ioc:
        ioc.pause()
        with pytest.raises(TimeoutError):
            read(ioc.pv("DOUBLE"), 0.7)  # paused for longer than it waits for a signal at a time
        ioc.resume()
        time.sleep(0.7)  # did it take this for the signal to stop, it would end now
        assert read(ioc.pv("DOUBLE")) == 1.5


def test_some_records_of_a_scale_ioc_move() -> None:
    with SoftIoc.scale(200, moving=2, rate_hz=10) as ioc, Context("pva") as context:
        assert context.get(ioc.names[2]) == 2
        first, began = context.get(ioc.names[1]), time.monotonic()
        while context.get(ioc.names[1]) == first:
            assert time.monotonic() - began < TIMEOUT_S, "it stands still"
            time.sleep(0.05)
        assert context.get(ioc.names[1]) > first


def test_two_iocs_are_found_by_one_client() -> None:
    with SoftIoc.types() as one, SoftIoc.types() as other, Context("pva") as context:
        assert context.get([one.pv("LONG"), other.pv("LONG")], timeout=TIMEOUT_S) == [-123456, -123456]


def test_places_are_given_back() -> None:
    for _ in range(PLACES + 1):
        with pytest.raises(RuntimeError, match="on purpose"), SoftIoc(lambda prefix: ""):
            raise RuntimeError("on purpose")


@pytest.mark.parametrize("paused", [False, True])
def test_an_ioc_ends_with_the_tests_that_started_it(paused: bool) -> None:
    program = (
        "import time\nfrom tests.servers.soft_ioc import SoftIoc\n"
        "with SoftIoc.scale(10) as ioc:\n"
        f"    {'ioc.pause()' if paused else 'pass'}\n"
        "    print(ioc.pid, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone(pid)


def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            os.kill(pid, 0)
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False


def test_the_pva_server_carries_every_type(pva_server: PvaServer) -> None:
    with Context("pva") as context:
        for name, (_, value) in SCALARS.items():
            assert context.get(pva_server.pv(name), timeout=TIMEOUT_S) == value
            assert list(context.get(pva_server.pv(f"{name}:ARRAY"))) == ARRAYS[name]
        context.put(pva_server.pv("ULONG"), 2**64 - 2)
        assert context.get(pva_server.pv("ULONG")) == 2**64 - 2
        with pytest.raises(RemoteError, match="cannot be written"):
            context.put(pva_server.pv("READONLY"), 1.0)
