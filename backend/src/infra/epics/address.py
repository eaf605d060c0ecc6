"""The address of one process variable: a protocol and a name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from backend.src.core.errors import Invalid

MAX_ADDRESS_LENGTH = 255
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Protocol(StrEnum):
    """How a process variable is reached."""

    CA = "ca"
    PVA = "pva"


@dataclass(frozen=True, slots=True, order=True)
class PvAddress:
    """One process variable; two spellings that differ in a redundant prefix are one address."""

    protocol: Protocol
    name: str

    @classmethod
    def parse(cls, text: str, default: Protocol = Protocol.CA) -> PvAddress:
        """Reads `ca://NAME`, `pva://NAME` or a bare NAME. Raises Invalid."""
        stripped = text.strip()
        protocol, name = _split(stripped, default) if "://" in stripped else (default, stripped)
        _check(text, name)
        return cls(protocol, name)

    def __hash__(self) -> int:
        # made tens of thousands of times at once: the generated one hashes an enum and a tuple, eight times as slow
        return hash(self.name)

    def __str__(self) -> str:
        return self.protocol + "://" + self.name

    def short(self, default: Protocol = Protocol.CA) -> str:
        """The bare name where the protocol is the default one, else the full address."""
        return self.name if self.protocol is default else str(self)


def _split(text: str, default: Protocol) -> tuple[Protocol, str]:
    for candidate in Protocol:
        prefix = candidate + "://"
        if text[: len(prefix)].lower() == prefix:
            return candidate, text[len(prefix) :]
    return default, text


def _check(text: str, name: str) -> None:
    if not name:
        raise Invalid(f"PV address {text!r} has no name", remedy="write NAME, ca://NAME or pva://NAME")
    if "://" in name:
        raise Invalid(f"PV address {text!r} has an unknown protocol", remedy="use ca:// or pva://")
    if _UNPRINTABLE.search(name):
        raise Invalid(f"PV address {text!r} holds white space or control characters")
    if len(name) + len("pva://") > MAX_ADDRESS_LENGTH:
        raise Invalid(f"PV address {text[:40]!r}... is longer than {MAX_ADDRESS_LENGTH} characters")
