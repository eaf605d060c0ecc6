"""What a command printed beside what its page shows.

Every word has to be there, in its place. Numbers, times, ids and keys are another each time, so only their places
count; so does white space. `...` stands for anything within its line, or for any lines when it is alone.
"""

from __future__ import annotations

import re

_SWAPPED = (
    (re.compile(r"\blrd_(?:[\w-]{20,}|[0-9a-f]{8}_\.\.\.)"), "KEY"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"(?<![\w.])(?=[0-9a-f]*\d)[0-9a-f]{16,64}(?!\w)"), "ID"),
    (re.compile(r"(?<![\w.:])-?\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w:])"), "0"),
)
ANY = "..."


def difference(shown: str, printed: str) -> str | None:
    """None when `printed` is what the page shows, else what is wrong, for people."""
    pattern = "\n".join(_as_pattern(line) for line in _plain(shown))
    found = "\n".join(_plain(printed))
    if re.fullmatch(pattern.replace(f"{_ANY_LINES}\n", f"(?:{_ANY_LINE}\n)*").replace(_ANY_LINES, ".*"), found, re.S):
        return None
    return f"the page shows\n{chr(10).join(_plain(shown))}\nbut this was printed\n{found}"


_ANY_LINES = "\x00"
_ANY_LINE = r"[^\n]*"


def _plain(text: str) -> list[str]:
    for pattern, name in _SWAPPED:
        text = pattern.sub(name, text)
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    return [line for line in lines if line]


def _as_pattern(line: str) -> str:
    if line == ANY:
        return _ANY_LINES
    return re.escape(line).replace(re.escape(ANY), _ANY_LINE)
