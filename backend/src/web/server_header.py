"""Security headers on every response (OWASP Secure Headers), by the kind of its content.

A kind is a preset: headers that an answer gets unless it has set them itself. PRESETS names the media types that
are not API answers; a new kind is a preset and a line there. `image/*` stands for every image that has no line of
its own.
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
)
# a client that is told to go on with what it has keeps the policy that came with it
UNCHANGED = _ALWAYS


def _preset(policy: str, caching: str = "no-store", *more: Header) -> Preset:
    named = ((b"cache-control", caching), (b"content-security-policy", policy))
    return (*_ALWAYS, *((name, text.encode("ascii")) for name, text in named), *more)


_NOTHING = "default-src 'none'; frame-ancestors 'none'"
_UNBUFFERED = (b"x-accel-buffering", b"no")  # nginx would keep it until it has a page full

API = _preset(_NOTHING)
PAGE = _preset(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# what pages are made of: the same for everybody, and another with another version only
ASSET = _preset(_NOTHING, "public, max-age=3600")
# what people save; opened in a browser's own viewer it may run nothing
FILE = _preset(f"{_NOTHING}; sandbox")
# pictures and films of the machine: for who asked, and asked for again
PICTURE = _preset(_NOTHING, "private, no-cache")
FILM = _preset("default-src 'none'; media-src 'self'; frame-ancestors 'none'", "private, no-cache")
# a sandbox would keep the browser from starting its own viewer, which brings its styles along
DOCUMENT = _preset("default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'")
LIVE = _preset(_NOTHING, "no-store", _UNBUFFERED)

PRESETS: dict[bytes, Preset] = {
    b"text/html": PAGE,
    b"application/xhtml+xml": PAGE,
    b"text/css": ASSET,
    b"text/javascript": ASSET,
    b"application/javascript": ASSET,
    b"application/wasm": ASSET,
    b"font/*": ASSET,
    b"image/*": PICTURE,
    b"image/svg+xml": FILE,  # may hold scripts
    b"video/*": FILM,
    b"multipart/x-mixed-replace": LIVE,  # MJPEG
    b"application/pdf": DOCUMENT,
    b"text/csv": FILE,
    b"application/octet-stream": FILE,
    b"application/vnd.apache.parquet": FILE,
}


class ServerHeaders:
    """Completes the headers of answers. `hsts_s`: how long browsers keep to TLS once they came by it, 0 for never."""

    def __init__(self, hsts_s: int) -> None:
        self._hsts: Preset = ((HSTS, b"max-age=%d" % hsts_s),) if hsts_s else ()

    def complete(self, headers: Iterable[Header], *, tls: bool, unchanged: bool = False) -> list[Header]:
        """`headers`, then each one of their preset that they lack. unchanged: of a 304.

        Raises ValueError for a line break in a header, which would let a client write headers of its own.
        """
        own = list(headers)
        names, content_type = set(), b""
        for name, value in own:
            name = name.lower()
            names.add(name)
            if b"\n" in value or b"\r" in value:
                raise ValueError(f"a line break in the header {name!r}")
            if name == b"content-type":
                content_type = value
        preset = UNCHANGED if unchanged else preset_of(content_type)
        if tls:
            preset += self._hsts
        if names.isdisjoint(_PRESET_NAMES):
            own += preset
        else:
            own += [header for header in preset if header[0] not in names]
        return own


_PRESET_NAMES = frozenset({HSTS, *(name for preset in PRESETS.values() for name, _ in preset)})


@lru_cache(maxsize=256)
def preset_of(content_type: bytes) -> Preset:
    """The preset of a Content-Type header."""
    media_type = content_type.partition(b";")[0].strip().lower()
    family = media_type.partition(b"/")[0] + b"/*"
    return PRESETS.get(media_type) or PRESETS.get(family, API)
