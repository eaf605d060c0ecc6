"""The last resort against secrets in the log: what looks like one is blotted out before a line is written.

No part of Larder logs a secret on purpose; a library's debug line, or an address with a code in it, might.
"""

from __future__ import annotations

import re

BLOT = "***"

_shapes = re.compile(
    r"""
      \b lr[a-z]_ [A-Za-z0-9_-]{8,}                                       # keys and tokens of our own
    | \b eyJ [A-Za-z0-9_-]{5,} \. [A-Za-z0-9_-]+ (?: \. [A-Za-z0-9_-]* )? # JWT
    | (?P<scheme> \b (?: Bearer | Basic ) \s+ ) [A-Za-z0-9._~+/=-]{8,}
    | (?P<query> [?&] (?: code | state | code_verifier ) = ) [^\s"'&]+
    | (?P<name>
        \b (?: [a-z_]*password | [a-z_]*secret(?:_key)? | [a-z_]*token | x-api-key | api_?key | authorization
            | (?:set-)?cookie )
        ["']? \s* (?: [=:] | , \s* (?= b?["'] ) ) \s* (?: b(?=["']) )? (?: (?: Bearer | Basic ) \s+ )?
      )
      (?: "[^"]{4,}" | '[^']{4,}' | [^\s"'&,;})\]]{4,} )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redact(text: str) -> str:
    """`text` without what looks like a secret."""
    return _shapes.sub(_blot, text)


def _blot(found: re.Match[str]) -> str:
    return (found["scheme"] or found["query"] or found["name"] or "") + BLOT
