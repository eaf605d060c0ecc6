"""Security headers on every response (OWASP Secure Headers), by the kind of its content.

A kind is a preset: headers that an answer gets unless it has set them itself. PRESETS names the media types that
are not API answers; a new kind is a preset and a line there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

Header = tuple[bytes, bytes]
Preset = tuple[Header, ...]

HSTS = b"strict-transport-security"

_ALWAYS: Preset = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def _with_policy(policy: str) -> Preset:
    return (*_ALWAYS, (b"content-security-policy", policy.encode("ascii")))


API = _with_policy("default-src 'none'; frame-ancestors 'none'")
PAGE = _with_policy(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# what people save; opened in a browser's own viewer it may run nothing
FILE = _with_policy("default-src 'none'; frame-ancestors 'none'; sandbox")

PRESETS: dict[bytes, Preset] = {
    b"text/html": PAGE,
    b"application/xhtml+xml": PAGE,
    b"image/svg+xml": FILE,  # may hold scripts
    b"text/csv": FILE,
    b"application/pdf": FILE,
    b"application/octet-stream": FILE,
    b"application/vnd.apache.parquet": FILE,
}


class ServerHeaders:
    """Completes the headers of answers. `hsts_s`: how long browsers keep to TLS once they came by it, 0 for never."""

    def __init__(self, hsts_s: int) -> None:
        self._hsts: Preset = ((HSTS, b"max-age=%d" % hsts_s),) if hsts_s else ()

    def complete(self, headers: Iterable[Header], *, tls: bool) -> list[Header]:
        """`headers`, then each one of their preset that they lack."""
        own = list(headers)
        names, content_type = set(), b""
        for name, value in own:
            name = name.lower()
            names.add(name)
            if name == b"content-type":
                content_type = value
        preset = preset_of(content_type)
        if tls:
            preset += self._hsts
        if names.isdisjoint(_PRESET_NAMES):
            own += preset
        else:
            own += [header for header in preset if header[0] not in names]
        return own


_PRESET_NAMES = frozenset({HSTS, *(name for name, _ in API)})


@lru_cache(maxsize=256)
def preset_of(content_type: bytes) -> Preset:
    """The preset of a Content-Type header."""
    return PRESETS.get(content_type.partition(b";")[0].strip().lower(), API)
