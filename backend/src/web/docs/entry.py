"""A page that the front page and the bar above every page lead to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """Where it is, what it is called, what it is good for."""

    path: str
    title: str
    about: str
