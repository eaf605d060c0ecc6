"""What the pages load, each file under an address that holds the digest of its content: browsers keep it for ever.

Our own files lie beside this one. Those of npm packages were put into a folder of the installation by
`larder pages`; nothing else in that folder, and nothing by any other name, is served.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import NotFound, Unavailable
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.compression import codings_of
from backend.src.web.conditional import Validators
from backend.src.web.docs.browsers import npm_files
from backend.src.web.docs.npm_file import NpmFile, lock_digest

BASE = "/_docs/assets"
OWN = Path(__file__).parent / "own"
INSTALLED = Path(sys.prefix) / "share" / "larder" / "pages"
MANIFEST = "manifest.json"
DIGEST_LENGTH = 16
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PACKED = ".gz"  # beside each file
FOR_EVER = "public, max-age=31536000, immutable"
INSTALL = "run `python -m backend.src pages`, then start the server again; the interface itself works without them"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. packed: the same, compressed with gzip. policy: its own CSP, which counts for workers."""

    name: str
    path: Path
    digest: str
    packed: Path | None = None
    policy: str | None = None

    @property
    def address(self) -> str:
        """Where it is served."""
        return f"{BASE}/{self.digest}/{self.name}"

    async def response(self, request: Request) -> Response:
        """The content, compressed where the browser takes that; 304 when it has it already.

        Never in parts: browsers keep the whole. Raises Unavailable when the file is gone.
        """
        codings = codings_of(request.headers)
        packed = self.packed if "gzip" in codings else None
        validators = Validators.strong(self.digest if packed is None else f"{self.digest}-gzip")
        response = validators.unchanged(request) or await self._content(packed)
        response.headers.update({**validators.headers(), "cache-control": FOR_EVER, "vary": "Accept-Encoding"})
        return response

    async def _content(self, packed: Path | None) -> Response:
        headers = {} if packed is None else {"content-encoding": "gzip"}
        if self.policy is not None:
            headers["content-security-policy"] = self.policy
        try:
            content = await asyncio.to_thread((packed or self.path).read_bytes)
        except OSError as exc:
            raise Unavailable(f"the file {self.name} of a page cannot be read any more", remedy=INSTALL) from exc
        return Boilerplates.text(content, media_type=MEDIA_TYPES[PurePosixPath(self.name).suffix], headers=headers)


class Assets:
    """Every file that may be asked for. policies: name -> CSP of a file that needs its own."""

    def __init__(self, installed: Path = INSTALLED, policies: dict[str, str] | None = None) -> None:
        self._own = {path.name: _own_asset(path) for path in sorted(OWN.iterdir())}
        self._installed = {
            name: Asset(name, installed / name, digest, installed / f"{name}{PACKED}", (policies or {}).get(name))
            for name, digest in installed_files(installed).items()
        }

    def own(self, name: str) -> Asset:
        """One of ours."""
        return self._own[name]

    def installed(self, file: NpmFile) -> Asset:
        """One of a package. Raises Unavailable when the packages are not installed, or are not these any more."""
        found = self._installed.get(file.name)
        if found is None:
            raise Unavailable("the packages that show the interface are not installed here", remedy=INSTALL)
        return found

    def find(self, digest: str, name: str) -> Asset:
        """Raises NotFound, also for a file that has another content by now."""
        found = self._own.get(name) or self._installed.get(name)
        if found is None or found.digest != digest:
            raise NotFound("no such file, or it has another content by now")
        return found


def digest_of(content: bytes) -> str:
    """What stands in an address."""
    return hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]


def _own_asset(path: Path) -> Asset:
    return Asset(path.name, path, digest_of(path.read_bytes()))


def installed_files(folder: Path) -> dict[str, str]:
    """name -> digest of what `larder pages` put there; none unless it is all there, and of the versions of ours."""
    try:
        manifest: Any = json.loads((folder / MANIFEST).read_bytes())
        lock, files = manifest["lock"], dict(manifest["files"])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as exc:
        log.warning("what is in %s counts as not installed: its %s is damaged: %r", folder, MANIFEST, exc)
        return {}
    names = {file.name for file in npm_files()}
    kept = all((folder / f"{name}{ending}").is_file() for name in names for ending in ("", PACKED))
    # with files of another version half of the pages might not fit
    return files if lock == lock_digest() and files.keys() == names and kept else {}
