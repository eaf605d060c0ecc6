"""The HTML of the pages, from the templates beside this file. No script and no style stands in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from backend.src.web.boilerplates import Boilerplates

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, *, policy: str | None = None, **values: Any) -> Response:
    """One page; policy: its Content Security Policy, when that of all pages does not do."""
    headers = None if policy is None else {"Content-Security-Policy": policy}
    return Boilerplates.html(_environment.get_template(template).render(values), headers=headers)
