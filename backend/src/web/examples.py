"""Examples for /openapi.json, made of those that the fields of the models carry: what is written beside a field is
said once, and shows wherever the field does.

A field without an example of its own takes its default, the first word of its enumeration, or null where it may be
null; a text or a number that has none of these is missing one, and a test tells which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
Schemas = Mapping[str, Schema]
Operation = dict[str, Any]

BY_FORMAT = {"date-time": "2026-03-02T08:30:00Z"}
COMPONENTS = "#/components/schemas/"
METHODS = ("get", "put", "post", "delete", "patch")


class ExampleMissing(LookupError):
    """Nothing says what a value might look like."""


def add_examples(document: dict[str, Any]) -> None:
    """An example for every parameter, and for every body of a request and of a good answer, as far as there is one."""
    schemas = document["components"]["schemas"]
    for _, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            _complete(parameter, schemas)
        for content in _contents(operation):
            _complete_content(content, schemas)


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, Operation]]:
    """("GET /v1/pvs", what the document says of it) for every operation."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def examples_of(schema: Schema, schemas: Schemas) -> list[Any]:
    """All that the schema names, or the one that its parts make. Raises ExampleMissing."""
    if "$ref" in schema:
        return examples_of(schemas[schema["$ref"].removeprefix(COMPONENTS)], schemas)
    named = schema.get("examples")
    return list(named) if named else [_made_of_parts(schema, schemas)]


def _complete(parameter: dict[str, Any], schemas: Schemas) -> None:
    schema = parameter["schema"]
    inner = next((one for one in schema.get("anyOf", ()) if "description" in one), schema.get("items", {}))
    if "description" not in parameter and "description" in inner:
        parameter["description"] = inner["description"]
    try:
        found = examples_of(schema, schemas)
    except ExampleMissing:
        return
    if found[0] is not None and found[0] != []:
        parameter["example"] = found[0]


def _complete_content(content: dict[str, Any], schemas: Schemas) -> None:
    if "example" in content or "examples" in content:
        return
    try:
        found = examples_of(content["schema"], schemas)
    except ExampleMissing:
        return
    if len(found) == 1:
        content["example"] = found[0]
    else:
        content["examples"] = {f"{number}": {"value": value} for number, value in enumerate(found, 1)}


def _contents(operation: Operation) -> Iterator[dict[str, Any]]:
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            yield from response.get("content", {}).values()


def _made_of_parts(schema: Schema, schemas: Schemas) -> Any:
    if "const" in schema:
        return schema["const"]
    if schema.get("default") not in (None, [], {}):
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return _one_of(schema[choice], schemas)
    return _by_type(schema, schemas)


def _one_of(choices: list[Schema], schemas: Schemas) -> Any:
    nullable = {"type": "null"} in choices
    for choice in choices:
        if choice == {"type": "null"}:
            continue
        try:
            return examples_of(choice, schemas)[0]
        except ExampleMissing:
            if nullable:
                return None
    raise ExampleMissing("of none of the choices")


def _by_type(schema: Schema, schemas: Schemas) -> Any:
    match schema.get("type"):
        case "null":
            return None
        case "boolean":
            return schema.get("default", True)
        case "array":
            return [_part("items", schema.get("items", {}), schemas)]
        case "object":
            return _object(schema, schemas)
        case "string" if schema.get("format") in BY_FORMAT:
            return BY_FORMAT[schema["format"]]
        case kind:
            raise ExampleMissing(str(kind or "anything"))


def _object(schema: Schema, schemas: Schemas) -> dict[str, Any]:
    made = {name: _part(name, part, schemas) for name, part in schema.get("properties", {}).items()}
    names = schema.get("propertyNames")
    others = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
    if isinstance(others, Mapping):
        if names is None:
            raise ExampleMissing("a key")
        made[_part("a key", names, schemas)] = _part("a value", others, schemas)
    return made


def _part(name: str, schema: Schema, schemas: Schemas) -> Any:
    try:
        return examples_of(schema, schemas)[0]
    except ExampleMissing as missing:
        raise ExampleMissing(f"{name}: {missing}") from missing
