"""An option that does nothing is worse than none: somebody will rely on it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from backend.src.config.loading import options

SOURCE = Path(__file__).parents[3] / "backend" / "src"
# sections whose services are being built
AWAITED: set[str] = set()
# options of sections that are read already
AWAITED_OPTIONS: set[str] = set()
# they know every option, or judge it; none does anything with it
NOT_READERS = {"loading.py", "settings.py", "validation.py"}


def test_every_option_is_read_somewhere() -> None:
    files = [path for path in SOURCE.rglob("*.py") if path.name not in NOT_READERS]
    code = "\n".join(path.read_text(encoding="utf-8") for path in files)
    trees = map(ast.parse, (path.read_text(encoding="utf-8") for path in files))
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    sections = {section for section in _sections() if re.search(rf"settings\.{section}\b", code)}
    assert sections == _sections() - AWAITED, "a section is read now, or no longer: keep AWAITED true"
    of_these = ((section, option.name) for section, option in options() if section in sections)
    assert {f"{section}.{name}" for section, name in of_these if name not in read} == AWAITED_OPTIONS


def _sections() -> set[str]:
    return {section for section, _ in options()}
