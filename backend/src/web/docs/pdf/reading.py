"""What a reader wants to know of an OpenAPI document, as short texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
SCHEMAS = "#/components/schemas/"
# keyword -> how it reads; those of numbers, texts and lists
LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "pattern": "matches {}",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One call."""

    method: str
    path: str
    said: Json

    @property
    def anchor(self) -> str:
        """Where it stands in the PDF."""
        return f"operation-{self.said['operationId']}"

    @property
    def summary(self) -> str:
        return str(self.said.get("summary", self.path))

    @property
    def access(self) -> str:
        """Which scopes let a caller in."""
        scopes = {scope for one in self.said.get("security", ()) for names in one.values() for scope in names}
        return " or ".join(sorted(scopes)) if scopes else "open to everybody"


def chapters(document: Json) -> dict[str, list[Operation]]:
    """tag -> its operations; tags in the order in which the document lists them, then those that it does not."""
    found: dict[str, list[Operation]] = {tag: [] for tag in tag_descriptions(document)}
    for operation in _operations(document):
        tag = (operation.said.get("tags") or ["Other"])[0]
        found.setdefault(tag, []).append(operation)
    return {tag: operations for tag, operations in found.items() if operations}


def tag_descriptions(document: Json) -> dict[str, str]:
    """What the document says of each tag."""
    return {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}


def _operations(document: Json) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield Operation(method.upper(), path, item[method])


def schemas(document: Json) -> Json:
    """name -> schema of everything that is defined once."""
    found: Json = document.get("components", {}).get("schemas", {})
    return found


def reference(schema: Json) -> str | None:
    """The name of the schema that this one refers to."""
    target = schema.get("$ref", "")
    return target.removeprefix(SCHEMAS) if target.startswith(SCHEMAS) else None


def alternatives(schema: Json) -> list[Json]:
    """Of what a value may be; itself when there is one way only."""
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return list(schema[keyword])
    return [schema]


def limits(schema: Json) -> str:
    """What holds for the value beyond its type."""
    parts = [text.format(one[word]) for one in alternatives(schema) for word, text in LIMITS.items() if word in one]
    if schema.get("default") is not None:
        parts.append(f"default {schema['default']}")
    return ", ".join(dict.fromkeys(parts))
