"""The inputs of every operation that take text, found in the OpenAPI document, and requests that carry one there."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from urllib.parse import quote, urlencode

KEY = "<key>"  # in the place of a name that the client chooses
DEEPEST = 5
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
PATTERNS = {r"^[0-9]{1,18}$": "1", r"^[0-9a-f]{16}$": "0123456789abcdef"}
FORMATS = {"date-time": "2026-01-01T00:00:00Z", "email": "somebody@example.org", "uri": "http://example.org/"}

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class TextInput:
    """One place of one operation: `kind` is path, query, header, body (`place` is then where), form or content."""

    method: str
    path: str
    kind: str
    place: Place

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.kind} {'.'.join(map(str, self.place))}"


@dataclass(frozen=True)
class Request:
    """What is sent, without credentials."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Operations:
    """The document, its inputs, and requests that would be good but for one input."""

    def __init__(self, document: Mapping[str, Any], known: Mapping[str, str], bodies: Mapping[str, Any]) -> None:
        self._document = document
        self._known = known  # "/v1/pvs/{id}" -> a thing that exists
        self._bodies = bodies  # "POST /v1/x" -> fields that the schema alone does not ask for

    def inputs(self) -> Iterator[TextInput]:
        """Every one."""
        for path, operations in self._document["paths"].items():
            for method, operation in operations.items():
                for parameter in operation.get("parameters", ()):
                    yield TextInput(method.upper(), path, parameter["in"], (parameter["name"],))
                yield from self._of_body(method.upper(), path, operation)

    def request(self, where: TextInput, text: str) -> Request:
        """A request with this text there."""
        operation = self._document["paths"][where.path][where.method.lower()]
        parameters = {one["name"]: one for one in operation.get("parameters", ())}
        values = {name: "1" for name, one in parameters.items() if one["in"] == "path"} | self._named(where.path)
        query = {
            name: str(self.example(one["schema"]))
            for name, one in parameters.items()
            if one["in"] == "query" and one.get("required")
        }
        headers: dict[str, str] = {}
        match where.kind:
            case "path":
                values[str(where.place[0])] = text
            case "query":
                query[str(where.place[0])] = text
            case "header":
                headers[str(where.place[0])] = text.encode(errors="replace").decode("latin-1")
        target = where.path
        for name, value in values.items():
            target = target.replace(f"{{{name}}}", quote(value, "", errors="replace"))
        kind, body = self._body(where, operation, text)
        if kind:
            headers["content-type"] = kind
        asked = urlencode(query, errors="replace")
        return Request(where.method, f"{target}?{asked}" if asked else target, headers, body)

    def _named(self, path: str) -> dict[str, str]:
        starts = accumulate(path.split("/"), lambda before, part: f"{before}/{part}")
        return {start.rpartition("{")[2][:-1]: self._known[start] for start in starts if start in self._known}

    def example(self, schema: Schema, depth: int = 0) -> Any:
        """The least that the schema takes."""
        schema = self._resolved(schema)
        match schema:
            case {"default": value} if value is not None:
                return value
            case {"const": value} | {"enum": [value, *_]}:
                return value
            case {"type": "string"}:
                text = PATTERNS.get(schema.get("pattern", ""), FORMATS.get(schema.get("format", ""), "text"))
                return text.ljust(schema.get("minLength", 0), "x")
            case {"type": "integer" | "number"}:
                return max(1, schema.get("minimum", 1))
            case {"type": "boolean"}:
                return False
            case {"type": "array"}:
                return [self.example(schema.get("items", {}), depth + 1)] * schema.get("minItems", 0)
            case {"type": "object"}:
                named = schema.get("properties", {})
                return {name: self.example(named[name], depth + 1) for name in schema.get("required", ())}
            case {"type": "null"}:
                return None
        return "text"

    # ---- bodies ----

    def _of_body(self, method: str, path: str, operation: Mapping[str, Any]) -> Iterator[TextInput]:
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            schema = content.get("schema", {})
            if kind == JSON:
                yield from (TextInput(method, path, "body", place) for place in self._leaves(schema, 0))
            elif kind == FORM:
                names = self._resolved(schema).get("properties", {})
                yield from (TextInput(method, path, "form", (name,)) for name in names)
            else:
                yield TextInput(method, path, "content", (kind,))

    def _leaves(self, schema: Schema, depth: int) -> Iterator[Place]:
        if depth > DEEPEST:
            return
        for one in self._alternatives(schema):
            match one:
                case {"type": "string"} | {"enum": _} | {"const": _}:
                    yield ()
                case {"type": "array"}:
                    yield from ((0, *rest) for rest in self._leaves(one.get("items", {}), depth + 1))
                case {"type": "object"}:
                    for name, inner in one.get("properties", {}).items():
                        yield from ((name, *rest) for rest in self._leaves(inner, depth + 1))
                    more = one.get("additionalProperties")
                    if more:
                        yield (KEY,)
                        yield from (
                            ("text", *rest) for rest in self._leaves(more if more is not True else {}, depth + 1)
                        )
                case {"type": _}:
                    continue
                case _:
                    yield ()  # anything at all: text too

    def _body(self, where: TextInput, operation: Mapping[str, Any], text: str) -> tuple[str, bytes]:
        contents = operation.get("requestBody", {}).get("content", {})
        if where.kind == "content":
            return str(where.place[0]), text.encode(errors="surrogatepass")
        if JSON in contents:
            base = self._base(where, contents[JSON].get("schema", {}))
            if where.kind == "body":
                base = _placed(base, where.place, text)
            return JSON, json.dumps(base).encode()
        if FORM in contents:
            fields = self._base(where, contents[FORM].get("schema", {}))
            if where.kind == "form":
                fields[str(where.place[0])] = text
            return FORM, urlencode(fields, errors="replace").encode()
        return next(((kind, b"text") for kind in contents), ("", b""))

    def _base(self, where: TextInput, schema: Schema) -> Any:
        name = f"{where.method} {where.path}"
        example = self.example(schema)
        more = copy.deepcopy(self._bodies.get(name, {}))
        return {**example, **more} if isinstance(example, dict) else more or example

    def _alternatives(self, schema: Schema) -> Iterator[Schema]:
        schema = self._resolved(schema, choose=False)
        choices = schema.get("anyOf") or schema.get("oneOf")
        if not choices:
            yield schema
            return
        for one in choices:
            yield from self._alternatives(one)

    def _resolved(self, schema: Schema, *, choose: bool = True) -> Schema:
        while "$ref" in schema:
            schema = self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "allOf" in schema:
            return self._resolved(schema["allOf"][0], choose=choose)
        choices = schema.get("anyOf") or schema.get("oneOf")
        return self._resolved(choices[0]) if choose and choices and "default" not in schema else schema


def _placed(value: Any, place: Place, text: str) -> Any:
    """`value` with the text at this place, and what is needed on the way there."""
    if not place:
        return text
    first, *rest = place
    if isinstance(first, int):
        return [_placed(value[0] if isinstance(value, list) and value else None, tuple(rest), text)]
    fields = dict(value) if isinstance(value, dict) else {}
    if first == KEY:
        return {**fields, text: fields.get("text", [])}
    return {**fields, first: _placed(fields.get(first), tuple(rest), text)}
