"""The whole PDF: title, contents, how to log in, every operation by chapter, every schema."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageBreak, PageTemplate, Paragraph, Spacer
from reportlab.platypus.tableofcontents import TableOfContents

from backend.src.web.docs.pdf import styles
from backend.src.web.docs.pdf.flow import Heading, cell, chapter, code, printable, prose, table
from backend.src.web.docs.pdf.operations import operation_pages, schema_pages
from backend.src.web.docs.pdf.reading import Json, chapters, schemas, tag_descriptions

FOOTER_Y = 12


def make_pdf(document: Json) -> bytes:
    """Takes seconds of one core: not on the event loop."""
    target = io.BytesIO()
    _Template(target, document["info"]).multiBuild(list(_story(document)))
    return target.getvalue()


def _story(document: Json) -> Iterator[Flowable]:
    yield from _title(document["info"])
    yield from _contents()
    yield from _logging_in(document)
    told = tag_descriptions(document)
    for tag, operations in chapters(document).items():
        yield PageBreak()
        yield chapter(tag, f"chapter-{tag.replace(' ', '-')}")
        yield from prose(told.get(tag, ""))
        for operation in operations:
            yield from operation_pages(operation)
    yield PageBreak()
    yield chapter("Schemas", "chapter-schemas")
    for name, schema in schemas(document).items():
        yield from schema_pages(name, schema)


def _title(info: Json) -> Iterator[Flowable]:
    yield Spacer(1, 180)
    yield Paragraph(printable(info["title"]), styles.TITLE)
    yield Paragraph(f"The HTTP interface, version {printable(info['version'])}", styles.LEAD)
    yield from prose(info.get("description", ""))
    yield PageBreak()


def _contents() -> Iterator[Flowable]:
    contents = TableOfContents(levelStyles=list(styles.CONTENTS), dotsMinLevel=1)
    yield Paragraph("Contents", styles.CHAPTER)
    yield contents
    yield PageBreak()


def _logging_in(document: Json) -> Iterator[Flowable]:
    yield chapter("Logging in", "chapter-logging-in")
    schemes = document.get("components", {}).get("securitySchemes", {})
    rows = [(code(name), cell(_way(said)), cell(said.get("description", ""))) for name, said in schemes.items()]
    yield table(("name", "sent as", "meaning"), rows, (2, 4, 6))


def _way(scheme: Json) -> str:
    match scheme["type"]:
        case "apiKey":
            return f"`{scheme['name']}: ...` ({scheme['in']})"
        case "http":
            return f"`Authorization: {scheme['scheme'].title()} ...`"
        case _:
            return "a token from " + ", ".join(f"`{flow['tokenUrl']}`" for flow in _first_flow(scheme))


def _first_flow(scheme: Json) -> list[Json]:
    return list(scheme.get("flows", {}).values())[:1]


class _Template(BaseDocTemplate):  # type: ignore[misc]
    """Pages with a footer; tells contents and bookmarks of every heading."""

    def __init__(self, target: io.BytesIO, info: Json) -> None:
        title = f"{info['title']} {info['version']}: the HTTP interface"
        # invariant: the same document is the same bytes
        super().__init__(target, pagesize=styles.PAPER, title=title, author=info["title"], invariant=1)
        margin = styles.MARGIN
        frame = Frame(margin, margin, styles.WIDTH, styles.PAPER[1] - 2 * margin, 0, 0, 0, 0)
        self.addPageTemplates(PageTemplate(frames=[frame], onPage=self._footer))
        self._foot = title

    def afterFlowable(self, flowable: Flowable) -> None:
        if isinstance(flowable, Heading):
            self.notify("TOCEntry", (flowable.level, printable(flowable.plain), self.page, flowable.anchor))
            self.canv.bookmarkPage(flowable.anchor)
            self.canv.addOutlineEntry(flowable.plain, flowable.anchor, flowable.level, closed=flowable.level == 0)

    def _footer(self, canvas: Any, _template: Any) -> None:
        if self.page == 1:
            return
        canvas.saveState()
        canvas.setFont("Helvetica", 7.5)
        canvas.setFillColor(styles.FAINT)
        canvas.drawString(styles.MARGIN, FOOTER_Y * 2, self._foot)
        canvas.drawRightString(styles.PAPER[0] - styles.MARGIN, FOOTER_Y * 2, str(self.page))
        canvas.restoreState()
