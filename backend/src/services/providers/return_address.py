"""Where a browser goes after the login: to an address of this server alone, with a code instead of tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urljoin, urlsplit

from backend.src.core.errors import FieldError, Invalid

# no white space, no control characters, no backslash: browsers read those, and several slashes, as they like
_plain = re.compile(r"(?!//)[!-\[\]-~]{1,2000}")


@dataclass(frozen=True, slots=True)
class SentBack:
    """The login's end, for the page that began it (RFC 6749, 4.1.2)."""

    address: str


def checked_return_address(text: str, origin: str) -> str:
    """The whole address. Raises Invalid for what leads anywhere but to `origin`: an open redirect lends our name."""
    try:
        parts = urlsplit(text)
        whole = urlsplit(urljoin(f"{origin}/", text))
        ours = (whole.scheme, whole.netloc) == urlsplit(origin)[:2]
    except ValueError:
        ours = False
    if not ours or not _plain.fullmatch(text) or parts.fragment or not (parts.netloc or text.startswith("/")):
        raise Invalid(
            "return_to does not lead to this server",
            errors=[FieldError(("query", "return_to"), f"give a path, or an address under {origin}, without #")],
        )
    return whole.geturl()


def with_parameters(address: str, parameters: Mapping[str, str | None]) -> SentBack:
    """The address with those that are set."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return SentBack(f"{address}{'&' if '?' in address else '?'}{query}")
