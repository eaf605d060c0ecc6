"""Where ffmpeg and ffprobe are: as configured, in PATH, or in a package. Nothing is ever downloaded."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backend.src.core.errors import Unavailable

PACKAGE = "imageio_ffmpeg"


class Origin(StrEnum):
    """Where a program was found."""

    CONFIGURED = "configured"
    SYSTEM = "system"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that answered. version: as it names itself, e.g. 5.1.9-0+deb12u1 or n9.0.2."""

    path: Path
    origin: Origin
    version: str
    encoders: frozenset[str] = frozenset()


def find_ffmpeg(configured: str) -> tuple[Path, Origin]:
    """Raises Unavailable when there is none, or the configured one is no program."""
    found = _configured(configured, "cameras.ffmpeg (FFMPEG_PATH)") or _in_path("ffmpeg") or _in_package()
    if found is None:
        raise Unavailable(
            "ffmpeg is not installed: no clips can be made",
            remedy="install ffmpeg, or the package imageio-ffmpeg, or set FFMPEG_PATH",
        )
    return found


def find_ffprobe(configured: str, ffmpeg: Path) -> tuple[Path, Origin] | None:
    """Beside this ffmpeg, or in PATH. Raises Unavailable when the configured one is no program."""
    beside = ffmpeg.with_name("ffprobe")
    found = _configured(configured, "cameras.ffprobe (FFPROBE_PATH)")
    return found or (_as(Origin.SYSTEM)(beside) if _runnable(beside) else _in_path("ffprobe"))


def _configured(path: str, key: str) -> tuple[Path, Origin] | None:
    if not path:
        return None
    if not _runnable(Path(path)):
        raise Unavailable(f"{key} names {path}, which is no program", remedy="name the program, or leave it empty")
    return Path(path), Origin.CONFIGURED


def _in_path(name: str) -> tuple[Path, Origin] | None:
    found = shutil.which(name)
    return None if found is None else (Path(found), Origin.SYSTEM)


def _in_package() -> tuple[Path, Origin] | None:
    """Its file alone: importing the package would do nothing else for us."""
    package = importlib.util.find_spec(PACKAGE)
    for folder in (package.submodule_search_locations or ()) if package else ():
        for path in sorted(Path(folder, "binaries").glob("ffmpeg-*")):
            if _runnable(path):
                return path, Origin.PACKAGE
    return None


def _runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _as(origin: Origin) -> Callable[[Path], tuple[Path, Origin]]:
    return lambda path: (path, origin)


def read_version(banner: str) -> str:
    """`ffmpeg version 5.1.9-0+deb12u1 Copyright ...` -> 5.1.9-0+deb12u1, "" for what is no such banner."""
    words = banner.split()
    return words[2] if words[1:2] == ["version"] and len(words) > 2 else ""


def read_encoders(table: str) -> frozenset[str]:
    """The names of the video encoders in what `ffmpeg -encoders` prints."""
    lines = (line.split() for line in table.splitlines())
    return frozenset(words[1] for words in lines if len(words) > 2 and len(words[0]) == 6 and words[0][0] == "V") - {
        "="
    }
