"""A real Chromium without a screen, cut off from every host but one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, sync_playwright

EXECUTABLE = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
VIOLATION = "policy violation:"
# told where the page cannot hide it: some programs try what the policy forbids, and catch the refusal
LISTENER = f"""
document.addEventListener("securitypolicyviolation", (event) => console.error(
  "{VIOLATION}", event.effectiveDirective, event.blockedURI, event.sourceFile, event.lineNumber,
));
"""


@dataclass  # no slots: Playwright keeps its own things in it
class Visit:
    """A fresh profile and what went wrong in it: errors on the console or uncaught, requests to other hosts."""

    origin: str
    context: BrowserContext
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """A page of the server."""
        page = self.context.new_page()
        page.goto(self.origin + path)
        return page

    def watch(self, page: Page) -> None:
        """Also those that pages open."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))

    def block(self, route: Route) -> None:
        """A request that leaves the server's origin."""
        self.foreign.append(route.request.url)
        route.abort()

    def leaves(self, url: str) -> bool:
        return not url.startswith((f"{self.origin}/", f"blob:{self.origin}/", "data:"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser process."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def visit(browser: Browser, origin: str, **options: Any) -> Iterator[Visit]:
    """A profile of its own; `options` as Playwright has them."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
    made = Visit(origin, context)
    context.on("page", made.watch)
    context.add_init_script(LISTENER)
    context.route(made.leaves, made.block)
    yield made
    context.close()
