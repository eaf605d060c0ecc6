"""A browser of the API: a program of others that reads /openapi.json and shows it, on a page of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backend.src.config.settings import DocsSettings
from backend.src.web.docs.npm_file import NpmFile
from backend.src.web.docs.policy import Policy


@dataclass(frozen=True, slots=True)
class Browser:
    """One page. start: our own script, which sets the program up; modules: files that it loads itself.

    enabled: its switch. tries: whether requests can be sent from it, and people log in on it.
    """

    path: str
    title: str
    about: str
    enabled: Callable[[DocsSettings], bool]
    start: str
    scripts: tuple[NpmFile, ...] = ()
    styles: tuple[NpmFile, ...] = ()
    modules: tuple[NpmFile, ...] = ()
    policy: Policy = Policy()
    tries: bool = True

    @property
    def files(self) -> tuple[NpmFile, ...]:
        """All that must be installed for it."""
        return (*self.scripts, *self.styles, *self.modules)
