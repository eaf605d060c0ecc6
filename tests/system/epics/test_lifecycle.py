"""Starting and stopping: soon, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from backend.src.core.errors import Unavailable
from backend.src.infra.epics import Epics, Protocol, PvAddress
from tests.servers.soft_ioc import CLIENT_ENVIRONMENT, ROOT, SoftIoc, client_settings
from tests.system.epics.watching import Watcher

OF_OURS = ("channel-access", "pva-")

# A process that uses everything once and ends as Python does, its exit handlers included.
WHOLE_LIFE = """
import asyncio, os, sys
from backend.src.infra.epics import Epics, Protocol, PvAddress, epics as module
from backend.src.config.settings import EpicsSettings

module.STOP_TIMEOUT_S = 20.0  # a busy machine may take longer than the second after which it says so

async def main():
    names = sys.argv[1:]
    settings = EpicsSettings(
        ca_addr_list=os.environ["EPICS_CA_ADDR_LIST"], ca_auto_addr_list=False,
        pva_addr_list=os.environ["EPICS_PVA_ADDR_LIST"], pva_auto_addr_list=False,
    )
    epics = Epics.build(settings)
    await epics.start()
    addresses = [PvAddress(protocol, name) for name in names for protocol in Protocol]
    epics.monitor(list(enumerate(addresses)), [])
    await epics.read(addresses[:2], timeout_s=20.0)  # of the one that is there
    frame = await epics.read(addresses, timeout_s=5.0)
    await epics.read_one(addresses[0], timeout_s=20.0)
    await epics.write_one(addresses[0], 2.0, wait=True, timeout_s=20.0)
    epics.drain()
    print(int(frame.connected.sum()), flush=True)
    await epics.stop()

asyncio.run(main())
"""


def threads_of_ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(OF_OURS)]


async def test_stop_leaves_no_thread_and_can_be_called_twice(types_ioc: SoftIoc) -> None:
    epics = Epics.build(client_settings())
    await epics.stop()
    await epics.start()
    await epics.ping()
    await epics.read([PvAddress(p, types_ioc.pv("DOUBLE")) for p in Protocol], timeout_s=20.0)
    assert threads_of_ours()
    await epics.stop()
    await epics.stop()
    async with asyncio.timeout(20):  # those that read are told to end, and not waited for
        while threads_of_ours():
            await asyncio.sleep(0.01)


async def test_a_stopped_one_says_so(types_ioc: SoftIoc) -> None:
    epics = Epics.build(client_settings())
    with pytest.raises(Unavailable):
        await epics.ping()
    await epics.start()
    await epics.stop()
    with pytest.raises(Unavailable):
        await epics.ping()
    with pytest.raises(Unavailable):
        await epics.read([PvAddress(Protocol.CA, types_ioc.pv("DOUBLE"))], timeout_s=1.0)


@pytest.mark.parametrize("protocol", Protocol)
async def test_stop_ends_a_read_that_waits(protocol: Protocol) -> None:
    epics = Epics.build(client_settings())
    await epics.start()
    reading = asyncio.ensure_future(epics.read([PvAddress(protocol, "NOBODY")], timeout_s=30.0))
    async with asyncio.timeout(20):  # a thread has it in hand
        while not (epics._ca._operations if protocol is Protocol.CA else epics._pva._waiting):
            await asyncio.sleep(0.01)
    await epics.stop()
    done, _ = await asyncio.wait([reading], timeout=10.0)  # by itself it would take 30
    assert done
    assert isinstance(reading.exception(), Unavailable) or not reading.result().connected.any()


async def test_stop_is_quick_while_an_ioc_hangs(own_ioc: SoftIoc) -> None:
    epics = Epics.build(client_settings())
    await epics.start()
    watcher = Watcher(epics)
    addresses = [PvAddress(protocol, own_ioc.pv("COUNTER")) for protocol in Protocol]
    epics.monitor(list(enumerate(addresses)), [])
    await watcher.until(lambda: len(watcher.rows) == 2)
    own_ioc.pause()
    try:
        started = time.monotonic()
        await epics.stop()
        assert time.monotonic() - started < 10.0
    finally:
        own_ioc.resume()


async def test_it_can_be_started_again(types_ioc: SoftIoc) -> None:
    address = PvAddress(Protocol.CA, types_ioc.pv("LONG"))
    for _ in range(3):
        epics = Epics.build(client_settings())
        await epics.start()
        assert (await epics.read([address], timeout_s=20.0)).value(0) == -123456
        await epics.stop()


def test_a_process_that_used_it_ends_by_itself_silently_and_leaves_none(own_ioc: SoftIoc) -> None:
    environment = {**os.environ, **CLIENT_ENVIRONMENT, "PYTHONWARNINGS": "error"}
    process = subprocess.Popen(
        [sys.executable, "-c", WHOLE_LIFE, own_ioc.pv("DOUBLE"), "NOBODY"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True,
    )  # fmt: skip
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output.strip(), errors) == (0, "2", "")
    assert members_of_session(process.pid) == []


def members_of_session(session: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            found.append(stat.parent.name)
    return found


def test_a_lost_connection_prints_nothing(own_ioc: SoftIoc) -> None:
    """libca's default is a block of text on standard error for each lost circuit."""
    script = WHOLE_LIFE.replace(
        "    await epics.stop()", "    sys.stdin.read()\n    await asyncio.sleep(0.5)\n    await epics.stop()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, own_ioc.pv("DOUBLE")],
        cwd=ROOT, env={**os.environ, **CLIENT_ENVIRONMENT}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "2"
    own_ioc.kill()
    time.sleep(0.5)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_sigterm_is_not_swallowed(own_ioc: SoftIoc) -> None:
    """No thread of libca may take the signal away from Python."""
    script = WHOLE_LIFE.replace("    await epics.stop()", "    await asyncio.sleep(30)")
    process = subprocess.Popen(
        [sys.executable, "-c", script, own_ioc.pv("DOUBLE")],
        cwd=ROOT, env={**os.environ, **CLIENT_ENVIRONMENT}, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "2"
        process.terminate()
        assert process.wait(timeout=20) == -signal.SIGTERM  # swallowed, it would end by itself after 30
