"""One bash in which a reader works through a page: variables, functions and the folder stay from block to block."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

END = "--- end of the block"
SAY_END = f'printf \'\\n{END} %s %s\\n\' "$?" "$FAILED"'
# each command that fails is noted, as a reader would notice; conditions and the left side of || do not count
PRELUDE = "FAILED=; trap 'FAILED=\"$FAILED $?:$BASH_COMMAND\"' ERR; set -E\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """`failed` has the exit code and the text of each command that failed."""

    output: str
    code: int
    failed: str


class Shell:
    """Ends with the `with` block, whatever it started included."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], cwd=folder, env=dict(environment), process_group=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._send(PRELUDE)

    def run(self, text: str, stdin: str = "</dev/null", timeout_s: float = 120.0) -> Ran:
        """Types a block and waits for its end. Raises TimeoutError."""
        # a command that reads what it is not asked to would eat the rest of the page
        self._send(f"FAILED=\n{{\n{text}\n}} {stdin}\n{SAY_END}\n")
        output, _, status = self._read_until_end(timeout_s).rpartition(f"\n{END} ")
        code, _, failed = status.strip().partition(" ")
        return Ran(output, int(code), failed)

    def _send(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def _read_until_end(self, timeout_s: float) -> str:
        assert self._process.stdout is not None
        deadline, seen = time.monotonic() + timeout_s, b""
        while not (END.encode() in seen and seen.endswith(b"\n")):
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"no end after {timeout_s} s: {seen.decode(errors='replace')}")
            if not (part := os.read(self._process.stdout.fileno(), 65_536)):
                raise AssertionError(f"the shell ended: {seen.decode(errors='replace')}")
            seen += part
        return seen.decode(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
