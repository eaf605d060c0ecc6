"""/rapipdf: the interface as a PDF document, to print and to file.

RapiPDF, whose address this is, is on no package registry; the server makes the document itself.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from backend.src.web import openapi
from backend.src.web.access import Access
from backend.src.web.boilerplates import PDF, Boilerplates
from backend.src.web.conditional import Validators
from backend.src.web.docs.assets import digest_of
from backend.src.web.docs.entry import Entry
from backend.src.web.docs.pdf import make_pdf
from backend.src.web.routes import Route

RAPIPDF = Entry("/rapipdf", "PDF", "The whole interface as one document, to print or to file.")
NAME = "larder-api.pdf"


class PdfPage:
    """Made when first asked for, and kept: the interface does not change while the process runs."""

    def __init__(self) -> None:
        self._made: bytes | None = None
        self._making = asyncio.Lock()

    def routes(self) -> tuple[Route, ...]:
        """Its route, as data."""
        content = {PDF: {"type": "string", "format": "binary"}}
        return (
            Route(
                "GET", RAPIPDF.path, self.show,
                access=Access.OPEN, content=content, documented=False, summary=RAPIPDF.title,
            ),
        )  # fmt: skip

    async def show(self, request: Request) -> Response:
        """The document, or 304. However many ask, it is made once."""
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(lambda: make_pdf(openapi.document(request.app)))
        validators = Validators.strong(digest_of(self._made))
        return validators.unchanged(request) or Boilerplates.pdf(self._made, NAME, headers=validators.headers())
