"""The parts that the PDF is built of: paragraphs, headings that the contents list, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.platypus import Flowable, Paragraph, Table, TableStyle

from backend.src.web.docs.pdf import styles
from backend.src.web.docs.pdf.reading import Json, alternatives, reference

_code = re.compile(r"`([^`]+)`")
_blank_line = re.compile(r"\n\s*\n")


class Heading(Paragraph):  # type: ignore[misc]
    """A paragraph that contents and bookmarks know: level 0 for a chapter, 1 for what stands in one."""

    def __init__(self, text: str, style: Any, *, level: int, anchor: str, plain: str) -> None:
        super().__init__(f'<a name="{anchor}"/>{text}', style)
        self.level = level
        self.anchor = anchor
        self.plain = plain


def chapter(title: str, anchor: str) -> Heading:
    """Begins one."""
    return Heading(printable(title), styles.CHAPTER, level=0, anchor=anchor, plain=title)


def prose(text: str, style: Any = styles.TEXT) -> list[Flowable]:
    """Paragraphs of a description; of Markdown, what descriptions use: `code` and blank lines."""
    return [Paragraph(_marked(part), style) for part in _blank_line.split(text.strip()) if part.strip()]


def table(head: Sequence[str], rows: Iterable[Sequence[Flowable]], widths: Sequence[float]) -> Table:
    """widths: parts of the page's."""
    cells = [[Paragraph(printable(text), styles.HEAD) for text in head], *(list(row) for row in rows)]
    total = sum(widths)
    made = Table(cells, colWidths=[styles.WIDTH * width / total for width in widths], repeatRows=1)
    made.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("BACKGROUND", (0, 0), (-1, 0), styles.SHADE),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, styles.RULE),
                ("LEFTPADDING", (0, 0), (-1, -1), 4),
                ("RIGHTPADDING", (0, 0), (-1, -1), 4),
                ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
            ]
        )
    )
    return made


def cell(text: str) -> Flowable:
    """Prose in a table."""
    return Paragraph(_marked(text), styles.CELL)


def code(text: str) -> Flowable:
    """A name in a table."""
    return Paragraph(printable(text), styles.CODE)


def type_cell(schema: Json) -> Flowable:
    """What a value is, with links to the schemas that it is made of."""
    return Paragraph(type_text(schema), styles.CELL)


def type_text(schema: Json) -> str:
    """The same as marked text."""
    return " or ".join(dict.fromkeys(_one_type(one) for one in alternatives(schema)))


def schema_anchor(name: str) -> str:
    """Where a schema stands."""
    return f"schema-{name}"


def printable(text: str) -> str:
    """Escaped, and without what the built-in fonts of PDF readers have no sign for."""
    return escape(text.encode("cp1252", "replace").decode("cp1252"))


def _one_type(schema: Json) -> str:
    name = reference(schema)
    if name is not None:
        return f'<a href="#{schema_anchor(name)}" color="{styles.LINK}">{printable(name)}</a>'
    if "enum" in schema:
        return " | ".join(printable(str(value)) for value in schema["enum"])
    if "const" in schema:
        return printable(str(schema["const"]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {type_text(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {type_text(schema['additionalProperties'])}"
    words = " or ".join(kind) if isinstance(kind, list) else kind
    return printable(f"{words} ({schema['format']})" if "format" in schema else words)


def _marked(text: str) -> str:
    return _code.sub(r'<font face="Courier">\1</font>', printable(text))
