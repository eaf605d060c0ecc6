"""One cell of a PV list: what is no value, how tags share a cell, how a text that looks like no value survives."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NO_VALUE = frozenset({"", "nan", "none"})
# a text that is the word itself, not its absence, stands in quotes; each export adds a pair, each import takes one
_WORD = re.compile(r'(?P<quotes>"*)(?:nan|none)(?P=quotes)', re.IGNORECASE)
_TAG = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")*)"\s*|(?P<bare>[^,]*))(?:,|\Z)')
_NEEDS_QUOTES = re.compile(r'[,"\r\n]|^\s|\s$')


def read_text(cell: str) -> str | None:
    """The trimmed text of a cell, None for no value."""
    text = cell.strip()
    if text.lower() in _NO_VALUE:
        return None
    return text[1:-1] if text[0] == '"' and _WORD.fullmatch(text) else text


def write_text(text: str | None) -> str:
    """The inverse of read_text, as a finished cell."""
    if text is None:
        return ""
    return quote(f'"{text}"' if _WORD.fullmatch(text) else text)


def read_tags(cell: str) -> tuple[str, ...]:
    """The comma-separated tags of a cell, each once; a tag in quotes may hold commas."""
    if '"' not in cell:
        return tuple(dict.fromkeys(tag for text in cell.split(",") if (tag := text.strip()).lower() not in _NO_VALUE))
    return tuple(dict.fromkeys(_quoted_tags(cell)))


def _quoted_tags(cell: str) -> Iterable[str]:
    position = 0
    while position < len(cell) and (match := _TAG.match(cell, position)):
        position = match.end()
        quoted = match["quoted"]
        tag = match["bare"].strip() if quoted is None else quoted.replace('""', '"').strip()
        if tag and (quoted is not None or tag.lower() not in _NO_VALUE):
            yield tag


def write_tags(tags: Iterable[str]) -> str:
    """The inverse of read_tags, as a finished cell."""
    return quote(",".join(_tag(tag) for tag in tags))


def _tag(tag: str) -> str:
    if "," in tag or tag.startswith('"') or tag.lower() in _NO_VALUE:
        return '"' + tag.replace('"', '""') + '"'
    return tag


def quote(cell: str) -> str:
    """The cell as RFC 4180 writes it."""
    return '"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell
