"""One configured value, from TOML or text, becomes the type that its option declares."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

from backend.src.config.errors import ConfigurationError
from backend.src.config.settings import Secret

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def convert(value: Any, kind: type, where: str) -> Any:
    """`value` as `kind`. Raises ConfigurationError that says where and what was expected."""
    try:
        return _convert(value, kind)
    except (ValueError, TypeError) as exc:
        shown = "***" if kind is Secret else repr(value)
        raise ConfigurationError(
            f"{where} = {shown} is not {_expected(kind)}", remedy=f"give {_expected(kind)}"
        ) from exc


def _convert(value: Any, kind: type) -> Any:
    if kind is bool:
        return _boolean(value)
    if kind in (int, float):
        return _number(value, kind)
    if not isinstance(value, str):
        raise TypeError("a text is needed")
    return kind(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError("neither true nor false")


def _number(value: Any, kind: type) -> Any:
    if isinstance(value, bool) or (kind is int and isinstance(value, float)):
        raise TypeError("a number is needed")
    return kind(value)


def _expected(kind: type) -> str:
    if issubclass(kind, StrEnum):
        return "one of " + ", ".join(member.value for member in kind)
    return {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}.get(kind, "a text")
