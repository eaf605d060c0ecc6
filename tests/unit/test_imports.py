"""Importing a module reads nothing, connects nowhere and prints nothing."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import backend.src
from backend.src.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]
NOT_LIBRARIES = ("backend.src.infra.sql.migrations",)  # Alembic runs these
HEAVY = ("serve", "demo", "migrate", "check", "pages")  # they do the server's own work

_PROGRAM = """
import importlib, os, sys, threading
before = set(os.environ)
threads = threading.active_count()
for name in sys.argv[1:]:
    importlib.import_module(name)
changed = set(os.environ) ^ before
assert not changed, f"environment changed: {changed}"
assert threading.active_count() == threads, threading.enumerate()
"""


def modules() -> list[str]:
    found = pkgutil.walk_packages(backend.src.__path__, "backend.src.")
    return [module.name for module in found if not module.name.startswith(NOT_LIBRARIES)]


def test_every_module_can_be_imported_with_an_empty_environment(tmp_path: Path) -> None:
    names = modules()
    assert len(names) > 100
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", _PROGRAM, *names]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_asks_a_server_loads_neither_drivers_nor_services() -> None:
    """Half of what `larder snapshot list` takes would go into loading what only the server needs."""
    asking = [f"backend.src.commands.{module}" for module, _ in COMMANDS.values() if module not in HEAVY]
    heavy = ("sqlalchemy", "numpy", "fastapi", "backend.src.services", "backend.src.infra")
    program = f"import importlib, sys; [importlib.import_module(name) for name in {asking!r}]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if name.startswith(heavy)] == []
