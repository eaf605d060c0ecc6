"""The demonstration machine as a child process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT_S = 20.0


class DemonstrationMachine:
    """Starts it, tells how it is reached, stops it.

    with DemonstrationMachine(200, log=folder / "machine.log") as machine:
        os.environ.update(machine.environment)
    """

    def __init__(self, pvs: int, *, log: Path, prefix: str = "") -> None:
        self._command = [
            sys.executable, "-m", "backend.src.demonstration.machine", f"--pvs={pvs}", f"--prefix={prefix}",
        ]  # fmt: skip
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}  # the EPICS_* variables of a client

    def start(self) -> None:
        """Returns when every server of the machine answers. Raises RuntimeError with its log."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, process_group=0
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError(f"the demonstration machine did not start:\n{self._log.read_text()}")
        self.environment = json.loads(line)["environment"]

    def stop(self) -> None:
        """Ends it; harmless when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
