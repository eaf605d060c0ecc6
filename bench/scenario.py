"""The scenario: a large machine is listed, watched, saved, compared, changed and put back."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from backend.src.commands.api import Api
from bench.aioca_client import ROOT, AiocaClient
from bench.figures import Samples, Work
from tests.servers.larder import Larder, clean_environment
from tests.servers.soft_ioc import SoftIoc

REPEATS = 3  # of what is quick, in each round
LIVE_TIMEOUT_S = 120.0
JOB_TIMEOUT_S = 300.0
POLL_S = 0.02
EVERYTHING = {"pvPattern": "*"}


class Wrong(AssertionError):
    """Larder did something else than it was asked for; a figure of it would mean nothing."""


class Session:
    """One server on a data folder of its own, with a key that may do everything."""

    def __init__(self, folder: Path, environment: Mapping[str, str], samples: Samples) -> None:
        self._folder, self._environment, self.samples = folder, dict(environment), samples
        self.larder = Larder(folder / "data", environment)
        self._token = ""
        self._client: httpx.Client | None = None
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.larder.__exit__(kind, error, trace)  # stops it where it still runs

    @property
    def api(self) -> Api:
        """A client with the key of the bench."""
        if self._client is None:
            headers = {"X-API-Key": self._token}
            self._client = httpx.Client(base_url=self.larder.url, headers=headers, timeout=JOB_TIMEOUT_S)
        return Api(self._client)

    def start(self, work: Work) -> None:
        """Times the start as `work`."""
        with self.samples.time(work):
            self.larder.start()
        self._client = None  # it answers at another port now

    def stop(self) -> None:
        """Times the shutdown."""
        self.peak_bytes = max(self.peak_bytes, _peak_bytes(self.larder.pid))
        with self.samples.time(Work.STOP):
            code = self.larder.stop()
        _expect(code == 0, f"the server ended with {code}")

    def make_key(self) -> None:
        """By the command line, as a person would."""
        words = ["key", "create", "bench", "--scopes", "read,write,restore,admin"]
        self._token = self._command(*words)["token"]

    def import_list(self, names: Sequence[str]) -> None:
        """Times the import command."""
        file = self._folder / "list.csv"
        rows = (f'{name},,DEVICE:{n // 50},"number {n}",Area{n % 20}' for n, name in enumerate(names))
        file.write_text("\n".join(("Setpoint,Readback,Device,Description,Area", *rows)) + "\n")
        with self.samples.time(Work.IMPORT):
            report = self._command("import", str(file))
        _expect(report["created"] == len(names), f"{report['created']} PVs of {len(names)} were imported")

    def await_live(self, connected: int) -> None:
        """Until that many PVs are live."""
        deadline = time.monotonic() + LIVE_TIMEOUT_S
        while (summary := self.api.call("GET", "/v1/health/summary"))["connected_pvs"] < connected:
            _expect(time.monotonic() < deadline, f"only {summary['connected_pvs']} of {connected} PVs are live")
            time.sleep(POLL_S)

    def snapshot(self, work: Work, *, use_cache: bool) -> dict[str, Any]:
        """Times one."""
        query = {"async": False, "use_cache": use_cache}
        with self.samples.time(work):
            made = self.api.call("POST", "/v1/snapshots", json={"title": work, **EVERYTHING}, params=query)
        snapshot: dict[str, Any] = made
        return snapshot

    def restore(self, work: Work, snapshot_id: str) -> dict[str, Any]:
        """Times it from the request to the end of the job, and returns the outcomes."""
        with self.samples.time(work):
            job_id = self.api.call("POST", f"/v1/snapshots/{snapshot_id}/restore", json=EVERYTHING)["jobId"]
            job = self._finished(job_id)
        _expect(job["status"] == "completed", f"the restore ended {job['status']}: {job.get('error')}")
        outcomes: dict[str, Any] = self.api.call("GET", f"/v1/jobs/{job_id}/outcomes")
        return outcomes

    def _finished(self, job_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + JOB_TIMEOUT_S
        while True:
            job: dict[str, Any] = self.api.call("GET", f"/v1/jobs/{job_id}")
            if job["status"] not in ("pending", "running"):
                return job
            _expect(time.monotonic() < deadline, f"job {job_id} still runs")
            time.sleep(POLL_S)

    def _command(self, *words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "backend.src", *words, "--json"]
        environment = clean_environment(self.larder.data_dir, 0, self._environment)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        _expect(done.returncode == 0, f"`{' '.join(words)}` failed: {done.stderr[-1000:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def whole_round(ioc: SoftIoc, folder: Path, environment: Mapping[str, str], samples: Samples) -> int:
    """Everything once, on an empty data folder. Returns the server's peak memory in bytes."""
    count = len(ioc.names)
    with Session(folder, environment, samples) as session:
        session.start(Work.START)
        session.make_key()
        session.import_list(ioc.names)
        session.await_live(count)
        session.stop()
        with samples.time(Work.LIVE):
            session.start(Work.START_FULL)
            session.await_live(count)
        saved = _save_and_read(session, samples, count)
        with AiocaClient(ioc.names, ioc.environment) as aioca:
            _change_and_restore(session, samples, aioca, saved)
        session.stop()
        return session.peak_bytes


def _save_and_read(session: Session, samples: Samples, count: int) -> str:
    for _ in range(REPEATS):
        first = session.snapshot(Work.SNAPSHOT_CACHED, use_cache=True)
        second = session.snapshot(Work.SNAPSHOT_FORCED, use_cache=False)
        for made in (first, second):
            _expect(made["counts"]["captured"] == count, f"a snapshot holds {made['counts']}")
        with samples.time(Work.GET):
            got = session.api.call("GET", f"/v1/snapshots/{first['id']}")
        _expect(len(got["pvValues"]) == count, "GET does not give all values")
        with samples.time(Work.COMPARE):
            compared = session.api.call("GET", f"/v1/snapshots/{first['id']}/compare/{second['id']}")
        _expect(compared["matchCount"] >= count, "two snapshots of the same machine differ")
        with samples.time(Work.COMPARE_LIVE):
            session.api.call("GET", f"/v1/snapshots/{first['id']}/compare/live")
        with samples.time(Work.LIST):
            session.api.call("GET", "/v1/snapshots")
    return str(first["id"])


def _change_and_restore(session: Session, samples: Samples, aioca: AiocaClient, saved: str) -> None:
    samples.add(Work.AIOCA_CONNECT, aioca.connect())
    seconds, before = aioca.read()
    samples.add(Work.AIOCA_READ, seconds)
    samples.add(Work.AIOCA_WRITE, aioca.write([value + 0.5 for value in before]))
    session.restore(Work.RESTORE, saved)
    seconds, after = aioca.read()
    samples.add(Work.AIOCA_READ, seconds)
    wrong = sum(a != b for a, b in zip(before, after, strict=True))
    _expect(wrong == 0, f"{wrong} PVs did not come back")


def round_with_dead(ioc: SoftIoc, dead: int, folder: Path, environment: Mapping[str, str], samples: Samples) -> None:
    """A list of as many addresses, of which `dead` are served by nobody."""
    alive = ioc.names[: len(ioc.names) - dead]
    with _watching(folder, environment, [*alive, *(ioc.pv(f"DEAD:{n}") for n in range(dead))], len(alive)) as session:
        session.samples = samples
        for _ in range(REPEATS):
            saved = session.snapshot(Work.SNAPSHOT_DEAD, use_cache=False)
            _expect(saved["counts"]["disconnected"] == dead, f"with {dead} dead PVs it holds {saved['counts']}")
        with AiocaClient(alive, ioc.environment) as aioca:
            aioca.connect()
            _, before = aioca.read()
            aioca.write([value + 0.5 for value in before])
            outcomes = session.restore(Work.RESTORE_DEAD, saved["id"])
            _expect(aioca.read()[1] == before, "the PVs that are there did not come back")
    named = {outcome["pvName"] for outcome in outcomes["outcomes"] if not outcome["ok"]}
    _expect(len(named) == dead, f"the restore names {len(named)} PVs of {dead} that are not there")


def monitor_cost(
    folder: Path, environment: Mapping[str, str], samples: Samples, *, moving: int, rate_hz: int, for_s: float
) -> None:
    """CPU per update of a server that watches `moving` PVs, and of aioca that counts them."""
    with SoftIoc.scale(moving, moving=moving, rate_hz=rate_hz) as ioc:
        with AiocaClient(ioc.names, ioc.environment) as aioca:
            samples.add(Work.AIOCA_MONITOR, aioca.monitor(for_s))
        with _watching(folder, environment, ioc.names, moving) as session:
            time.sleep(2)  # past the work of the import
            before = _cpu_s(session.larder.pid)
            time.sleep(for_s)
            samples.add(Work.MONITOR, (_cpu_s(session.larder.pid) - before) / (moving * rate_hz * for_s))


@contextmanager
def _watching(folder: Path, environment: Mapping[str, str], names: Sequence[str], live: int) -> Iterator[Session]:
    """A server that watches these, `live` of them live; nothing of its start is measured."""
    with Session(folder, environment, Samples()) as session:
        session.start(Work.START)
        session.make_key()
        session.import_list(names)
        session.await_live(live)
        yield session


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise Wrong(message)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _peak_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
