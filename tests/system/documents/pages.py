"""A page of Markdown as the blocks that a reader would type, with what stands around them.

What is indented, and a fence of `sh` or `python`, is typed; what is not stands in a fence that says what it holds.

What a comment before a block says (the reader of the page does not see it, the reader of its source does):

    <!-- not run: why -->            this block is left alone
    <!-- not run on this page: why --> every block of the page is
    <!-- exit 1 -->                  the last command of the block ends with this code
    <!-- stop after 3 s -->          the block runs until it is stopped
    <!-- fills in ID: snapshot (\\S+) -->  the reader copies this out of the output so far
    <!-- asks for PASSWORD -->        the block's commands ask for the value of this variable
    <!-- output -->                  the block is not typed: it is what the last one printed
    <!-- file: pvs.csv -->           the block is not typed: it is a file that the reader has
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

# what a fence may hold that nobody types; without a fence everything is typed
DATA = ("http", "ini", "json", "mermaid", "nginx", "sql", "text", "toml", "yaml")
_fence = re.compile(r"^```(\w+)$")
_mark = re.compile(r"^<!-- (.*) -->$")


class Kind(StrEnum):
    """What a block is to the reader."""

    SHELL = "shell"
    PYTHON = "python"
    OUTPUT = "output"
    FILE = "file"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Block:
    """`line` is where it begins, counted from 1."""

    kind: Kind
    text: str
    line: int
    marks: tuple[str, ...] = field(default=())

    def mark(self, name: str) -> str | None:
        """What the mark of this name says, "" when it says nothing, None when there is none."""
        for mark in self.marks:
            if mark == name or mark.startswith((f"{name} ", f"{name}: ")):
                return mark[len(name) :].strip(": ")
        return None

    @property
    def is_typed(self) -> bool:
        return self.kind in (Kind.SHELL, Kind.PYTHON)


def blocks(page: Path) -> list[Block]:
    """In the page's order."""
    return list(_Reader(page.read_text(encoding="utf-8").splitlines()).blocks())


class _Reader:
    """Line by line."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        self._marks: list[str] = []

    def blocks(self) -> list[Block]:
        found: list[Block] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if mark := _mark.match(line.strip()):
                self._marks.append(mark[1])
            elif fence := _fence.match(line):
                found.append(self._fenced(fence[1]))
            elif line.lstrip().startswith("```"):
                raise ValueError(f"line {self._at + 1}: a fence begins its line and says what it holds, not {line!r}")
            elif line.startswith("    ") and self._begins_a_paragraph():
                found.append(self._indented())
            elif line.strip():
                self._marks = [mark for mark in self._marks if mark.startswith("not run on this page")]
            self._at += 1
        return found

    def _begins_a_paragraph(self) -> bool:
        before = next((line for line in reversed(self._lines[: self._at]) if line.strip()), "")
        follows_a_list = re.match(r"^\s*([-*]|\d+\.) ", before) is not None
        return not follows_a_list and (self._at == 0 or not self._lines[self._at - 1].strip() or bool(self._marks))

    def _fenced(self, language: str) -> Block:
        begin = self._at + 1
        end = self._lines.index("```", begin)
        self._at = end
        return self._block(_kind(language, self._marks), self._lines[begin:end], begin + 1)

    def _indented(self) -> Block:
        begin = self._at
        while self._at + 1 < len(self._lines) and self._lines[self._at + 1].startswith("    "):
            self._at += 1
        lines = [line[4:] for line in self._lines[begin : self._at + 1]]
        return self._block(_kind("sh", self._marks), lines, begin + 1)

    def _block(self, kind: Kind, lines: list[str], line: int) -> Block:
        marks, kept = tuple(self._marks), [mark for mark in self._marks if mark.startswith("not run on this page")]
        self._marks = kept
        return Block(kind, "\n".join(lines) + "\n", line, marks)


def _kind(language: str, marks: list[str]) -> Kind:
    if "output" in marks:
        return Kind.OUTPUT
    if any(mark.startswith("file: ") for mark in marks):
        return Kind.FILE
    known = {"sh": Kind.SHELL, "bash": Kind.SHELL, "python": Kind.PYTHON} | dict.fromkeys(DATA, Kind.OTHER)
    if language not in known:
        raise ValueError(f"{language!r} is neither typed nor known as data")
    return known[language]
