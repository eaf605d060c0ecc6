"""A file of an npm package that a page loads. package-lock.json says which version, and what its archive must hold."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FOLDER = Path(__file__).parent / "npm"
LOCK = FOLDER / "package-lock.json"


@dataclass(frozen=True, slots=True)
class NpmFile:
    """`path` inside `package`."""

    package: str
    path: str

    @property
    def name(self) -> str:
        """Under which it is served."""
        return PurePosixPath(self.path).name


def lock_digest() -> str:
    """Of the versions that the pages need."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()
