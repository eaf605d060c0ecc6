"""The PDF: everything of a document, whatever stands in it, and the same bytes each time."""

from __future__ import annotations

from typing import Any

import pypdfium2

from backend.src.web.docs.pdf import make_pdf

DOCUMENT: dict[str, Any] = {
    "info": {"title": "Larder", "version": "1", "description": "One.\n\nTwo `code` <b>."},
    "paths": {
        "/things/{id}": {
            "put": {
                "operationId": "put_things_id",
                "summary": "Change <a> & b",
                "tags": ["Things & more"],
                "security": [{"ApiKey": ["write"]}],
                "description": "Takes \u03bcA \u2014 and \U0001f600.",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                "responses": {
                    "200": {"description": "Fine", "content": {"application/json": {"schema": {"type": "boolean"}}}},
                    "404": {"description": "Not found", "content": {"application/problem+json": {}}},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "required": ["value"],
                "properties": {
                    "value": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "description": "How much"},
                    "more": {"type": "array", "items": {"$ref": "#/components/schemas/Kind"}},
                    "free": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
            "Kind": {"type": "string", "enum": ["a", "b"]},
        },
        "securitySchemes": {"ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
    },
}


def text_of(content: bytes) -> str:
    with pypdfium2.PdfDocument(content) as document:
        return "\n".join(page.get_textpage().get_text_range() for page in document)


def test_everything_is_told() -> None:
    text = text_of(make_pdf(DOCUMENT))
    for part in (
        "PUT /things/{id}", "Change <a> & b", "Things & more", "Access: write", "Takes", "path, needed", "Thing",
        "200", "boolean", "404 Not found", "number or null", "How much. at least 0", "list of Kind",
        "object of string", "a | b", "X-API-Key", "Two code <b>.",
    ):  # fmt: skip
        assert part in text, part


def test_the_same_document_is_the_same_file() -> None:
    assert make_pdf(DOCUMENT) == make_pdf(DOCUMENT)


def test_contents_lead_to_chapters_and_operations() -> None:
    with pypdfium2.PdfDocument(make_pdf(DOCUMENT)) as document:
        titles = [bookmark.get_title() for bookmark in document.get_toc()]
    assert titles == [
        "Logging in", "Things & more", "Change <a> & b: PUT /things/{id}", "Schemas", "Thing", "Kind",
    ]  # fmt: skip
