"""DocumentationHandler: the pages on which people read the interface, try it, and log in to try it.

A page is one document with the program of others that it loads; nothing on it comes from another host, and its
policy says so to the browser. Where the npm packages are not installed, a page says how to install them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from backend.src.config.settings import DocsSettings
from backend.src.core.errors import Unavailable
from backend.src.services.accounts.oauth_clients import REDIRECT_PATH
from backend.src.web.access import Access
from backend.src.web.boilerplates import HTML
from backend.src.web.docs.assets import BASE, Assets
from backend.src.web.docs.browser import Browser
from backend.src.web.docs.browsers import BROWSERS
from backend.src.web.docs.entry import Entry
from backend.src.web.docs.rapipdf import RAPIPDF, PdfPage
from backend.src.web.docs.templates import render
from backend.src.web.page_frame import message_page
from backend.src.web.routes import Route

DOCUMENT = "/openapi.json"
FAVICON = "icon.svg"
PAGE = {HTML: {"type": "string"}}
ANY = {"*/*": {"type": "string"}}

Digest = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
FileName = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class DocumentationHandler:
    """Serves the pages that are switched on."""

    def __init__(self, settings: DocsSettings, assets: Assets) -> None:
        self._client_id = settings.oauth2_client_id
        self._browsers = tuple(browser for browser in BROWSERS if browser.enabled(settings))
        self._pdf = PdfPage() if settings.rapipdf else None
        self._assets = assets

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What there is to lead people to."""
        pages = tuple(Entry(one.path, one.title, one.about) for one in self._browsers)
        return pages if self._pdf is None else (*pages, RAPIPDF)

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data; pages are not part of the API's document."""
        pages = [
            Route(
                "GET", one.path, self._shows(one), access=Access.OPEN, content=PAGE, documented=False, summary=one.title
            )
            for one in self._browsers
        ]
        return (
            *pages,
            *(self._pdf.routes() if self._pdf else ()),
            Route("GET", REDIRECT_PATH, self.come_back, access=Access.OPEN, content=PAGE, documented=False),
            Route("GET", "/favicon.ico", self.icon, access=Access.OPEN, content=ANY, documented=False),
            Route("GET", f"{BASE}/{{digest}}/{{name}}", self.asset, access=Access.OPEN, content=ANY, documented=False),
        )  # fmt: skip

    async def asset(self, digest: Digest, name: FileName, request: Request) -> Response:
        """One file of a page."""
        return await self._assets.find(digest, name).response(request)

    async def icon(self, request: Request) -> Response:
        """What browsers ask for without being told; by this name they may not keep it for ever."""
        response = await self._assets.own(FAVICON).response(request)
        response.headers["cache-control"] = "public, max-age=86400"
        return response

    async def come_back(self) -> Response:
        """Where a login ends: the page hands the code over to the one that waits for it."""
        own = self._assets.own
        return render("redirect.html", style=own("page.css").address, script=own("oauth2_redirect.js").address)

    def _shows(self, browser: Browser) -> Callable[[], Any]:
        async def show() -> Response:
            try:
                return self._page(browser)
            except Unavailable as error:
                return message_page(browser.title, error=error)

        return show

    def _page(self, browser: Browser) -> Response:
        """Raises Unavailable."""
        installed, own = self._assets.installed, self._assets.own
        nonce = secrets.token_urlsafe(16)
        options = {
            "document": DOCUMENT,
            "redirect": REDIRECT_PATH,
            "clientId": self._client_id,
            "styleNonce": nonce if browser.policy.style_nonce else None,
            "files": {file.name: installed(file).address for file in browser.modules},
        }
        return render(
            "browser.html",
            policy=browser.policy.text(nonce),
            title=browser.title,
            path=browser.path,
            entries=self.entries,
            options=options,
            styles=[*(installed(file).address for file in browser.styles), own("page.css").address],
            scripts=[
                own("common.js").address,
                *(installed(file).address for file in browser.scripts),
                own(browser.start).address,
            ],
        )
