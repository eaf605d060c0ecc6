"""A folder as `larder pages` leaves it, with made-up files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from backend.src.web.docs.assets import MANIFEST, digest_of
from backend.src.web.docs.browsers import npm_files
from backend.src.web.docs.npm_file import lock_digest


def installed_pages(folder: Path, lock: str | None = None) -> Path:
    """Every file of every package; `lock`: of which lock file, ours when None."""
    files = {}
    for file in npm_files():
        content = f"// {file.name}\n".encode() * 50
        (folder / file.name).write_bytes(content)
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(content))
        files[file.name] = digest_of(content)
    (folder / MANIFEST).write_text(json.dumps({"lock": lock or lock_digest(), "files": files}))
    return folder
