"""The pages of the operations and of the schemas."""

from __future__ import annotations

from typing import Any

from reportlab.platypus import Flowable, KeepTogether, Paragraph

from backend.src.web.docs.pdf import styles
from backend.src.web.docs.pdf.flow import Heading, cell, code, printable, prose, schema_anchor, table, type_cell
from backend.src.web.docs.pdf.reading import Json, Operation, limits

PROBLEM = "application/problem+json"
FIELDS = ("field", "type", "meaning")
FIELD_WIDTHS = (3, 4, 5)


def operation_pages(operation: Operation) -> list[Flowable]:
    """Everything about one call."""
    said = operation.said
    colour = styles.METHOD_COLOURS[operation.method].hexval().replace("0x", "#")
    address = f'<font face="Courier-Bold" color="{colour}">{operation.method}</font> '
    address += f'<font face="Courier">{printable(operation.path)}</font>'
    title = Heading(
        printable(operation.summary), styles.SECTION,
        level=1, anchor=operation.anchor, plain=f"{operation.summary}: {operation.method} {operation.path}",
    )  # fmt: skip
    top = [title, Paragraph(address, styles.TEXT), Paragraph(f"Access: {operation.access}", styles.TEXT)]
    return [
        KeepTogether(top),
        *prose(said.get("description", "")),
        *_parameters(said.get("parameters", ())),
        *_body(said.get("requestBody")),
        *_responses(said.get("responses", {})),
    ]


def schema_pages(name: str, schema: Json) -> list[Flowable]:
    """Everything about one schema."""
    title = Heading(printable(name), styles.SECTION, level=1, anchor=schema_anchor(name), plain=name)
    return [title, *prose(schema.get("description", "")), *_fields(schema)]


def _parameters(parameters: Any) -> list[Flowable]:
    rows = [
        (code(one["name"]), cell(_place(one)), type_cell(one.get("schema", {})), cell(_meaning(one, one["schema"])))
        for one in parameters
    ]
    if not rows:
        return []
    return [Paragraph("Parameters", styles.LABEL), table(("name", "in", "type", "meaning"), rows, (3, 2, 3, 5))]


def _place(parameter: Json) -> str:
    return f"{parameter['in']}, needed" if parameter.get("required") else str(parameter["in"])


def _body(body: Json | None) -> list[Flowable]:
    if body is None:
        return []
    rows = [(code(media), type_cell(said.get("schema", {}))) for media, said in body["content"].items()]
    return [Paragraph("Body", styles.LABEL), table(("media type", "holds"), rows, (1, 2))]


def _responses(responses: Json) -> list[Flowable]:
    told = {status: said for status, said in sorted(responses.items()) if PROBLEM not in said.get("content", {})}
    rows = [row for status, said in told.items() for row in _response(status, said)]
    answers = table(("status", "meaning", "media type", "holds"), rows, (1.2, 4, 4, 4))
    refused = [f"{status} {said['description']}" for status, said in sorted(responses.items()) if status not in told]
    return [
        *([Paragraph("Answers", styles.LABEL), answers] if rows else []),
        *([Paragraph("Refused with a problem document", styles.LABEL), cell("; ".join(refused))] if refused else []),
    ]


def _response(status: str, said: Json) -> list[tuple[Flowable, ...]]:
    contents = said.get("content") or {"": {}}
    return [
        (code(status), cell(said.get("description", "")), code(media), _held(one)) for media, one in contents.items()
    ]


def _held(content: Json) -> Flowable:
    return type_cell(content["schema"]) if content.get("schema") else cell("")


def _fields(schema: Json) -> list[Flowable]:
    properties = schema.get("properties")
    if not properties:
        return [type_cell(schema)]
    needed = set(schema.get("required", ()))
    rows = [
        (code(name), type_cell(said), cell(_meaning(said, said, needed=name in needed)))
        for name, said in properties.items()
    ]
    return [table(FIELDS, rows, FIELD_WIDTHS)]


def _meaning(said: Json, schema: Json, *, needed: bool = False) -> str:
    parts = ("always there" if needed else "", said.get("description", ""), limits(schema))
    return ". ".join(part.strip().rstrip(".") for part in parts if part)
