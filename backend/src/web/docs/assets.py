"""What the pages load, each file under an address that holds the digest of its content: browsers keep it for ever.

Our own files lie beside this one. Those of npm packages were put into a folder of the installation by
`larder pages`; nothing else in that folder, and nothing by any other name, is served.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from backend.src.core.errors import NotFound, Unavailable
from backend.src.web.conditional import Validators
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
_gzip = re.compile(r"gzip(\s*;\s*q=(1(\.0*)?|0\.0*[1-9]\d*))?")
FOR_EVER = "public, max-age=31536000, immutable"


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

    def response(self, request: Request) -> Response:
        """The content, compressed where the browser takes that; 304 when it has it already."""
        packed = self.packed is not None and _takes_gzip(request.headers.get("accept-encoding", ""))
        validators = Validators.strong(f"{self.digest}-gzip" if packed else self.digest)
        response = validators.unchanged(request) or self._file(packed=packed)
        response.headers.update({**validators.headers(), "cache-control": FOR_EVER, "vary": "Accept-Encoding"})
        return response

    def _file(self, *, packed: bool) -> Response:
        media_type = MEDIA_TYPES[PurePosixPath(self.name).suffix]
        headers = {} if self.policy is None else {"content-security-policy": self.policy}
        if packed and self.packed is not None:
            return FileResponse(self.packed, headers={**headers, "content-encoding": "gzip"}, media_type=media_type)
        return FileResponse(self.path, headers=headers, media_type=media_type)


class Assets:
    """Every file that may be asked for. policies: name -> CSP of a file that needs its own."""

    def __init__(self, installed: Path = INSTALLED, policies: dict[str, str] | None = None) -> None:
        self._own = {path.name: _own_asset(path) for path in sorted(OWN.iterdir())}
        self._installed = _installed_assets(installed, policies or {})

    def own(self, name: str) -> Asset:
        """One of ours."""
        return self._own[name]

    def installed(self, file: NpmFile) -> Asset:
        """One of a package. Raises Unavailable when the packages are not installed, or are not these any more."""
        found = self._installed.get(file.name)
        if found is None:
            raise Unavailable(
                "the packages that show the interface are not installed here",
                remedy="run `make setup`, or `python -m backend.src pages`, then start the server again; "
                "the interface itself works without them",
            )
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


def _takes_gzip(accepted: str) -> bool:
    """Whether it is named, and not with the weight of a refusal (RFC 9110, 12.5.3)."""
    return any(_gzip.fullmatch(one.strip()) for one in accepted.lower().split(","))


def _own_asset(path: Path) -> Asset:
    return Asset(path.name, path, digest_of(path.read_bytes()))


def _installed_assets(folder: Path, policies: dict[str, str]) -> dict[str, Asset]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        return {}
    if manifest["lock"] != lock_digest():  # of another version of ours: half of the pages might not fit
        return {}
    return {
        name: Asset(name, folder / name, digest, folder / f"{name}.gz", policies.get(name))
        for name, digest in manifest["files"].items()
    }
