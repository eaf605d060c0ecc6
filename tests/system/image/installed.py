"""What requirements.txt asks for, taken from the environment that runs the tests: a download would take a minute."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def link_packages(requirements: Path, site_packages: Path) -> None:
    """Hard links of every file of the packages that are asked for, and of what those ask for in turn: no others."""
    for name in closure(requirements):
        for file in metadata.distribution(name).files or ():
            if ".." not in file.parts:
                link(Path(str(file.locate())), site_packages / file)


def closure(requirements: Path) -> set[str]:
    """Canonical names, their own requirements included."""
    found: set[str] = set()
    waiting = list(_asked(requirements))
    while waiting:
        requirement = waiting.pop()
        name = _canonical(requirement.name)
        new = {name, *(f"{name}[{extra}]" for extra in requirement.extras)} - found
        if new:
            found |= new
            waiting += _asked_by(name, ("", *requirement.extras))
    return {name for name in found if "[" not in name}


def _asked(requirements: Path) -> Iterator[Requirement]:
    for line in requirements.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text and not text.startswith("-"):
            yield Requirement(text)


def _asked_by(name: str, extras: tuple[str, ...]) -> Iterator[Requirement]:
    for text in metadata.distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def link(origin: str | Path, place: str | Path) -> None:
    """A hard link, or a copy on another file system."""
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(origin, place)
    except FileExistsError:  # two packages of one namespace
        return
    except OSError:  # on another file system
        shutil.copy(origin, place)
