"""The Content-Disposition header of a file (RFC 6266), whatever its name holds.

Two names are sent: one that every client understands, of plain ASCII, and the true one in UTF-8 (RFC 8187), which
all browsers prefer. The second is left out where it would say the same.
"""

from __future__ import annotations

import re
from urllib.parse import quote

LONGEST_NAME = 200  # in characters; file systems take 255 bytes
NAMELESS = "download"
# attr-char of RFC 8187, 3.2.1, without those that quote() keeps anyhow
_PLAIN_IN_UTF8 = "!#$&+^`|~"

# what a folder, a terminal or a header would take for more than a name
_unfit = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]')
# %: some browsers decode it in the plain name (RFC 6266, appendix D)
_not_plain = re.compile(r"[^\x20-\x7e]|%")


def attachment(name: str) -> str:
    """Of a file to be saved under this name."""
    return _disposition("attachment", name)


def inline(name: str) -> str:
    """Of something to be shown, and to be saved under this name."""
    return _disposition("inline", name)


def harmless_file_name(name: str) -> str:
    """The name without a path, control characters and those that no file system takes; never empty."""
    fitting = _unfit.sub("_", name).strip(" .")[:LONGEST_NAME].strip(" .")
    return fitting or NAMELESS


def _disposition(kind: str, name: str) -> str:
    name = harmless_file_name(name)
    plain = _not_plain.sub("_", name)
    simple = f'{kind}; filename="{plain}"'
    return simple if plain == name else f"{simple}; filename*=UTF-8''{quote(name, safe=_PLAIN_IN_UTF8)}"
