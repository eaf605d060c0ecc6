"""The few HTML pages of the server itself, for people with a link in a mail or a login to make.

No script, no inline style: the policy of pages (server_header.py) holds without an exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from backend.src.core.errors import LarderError
from backend.src.services.accounts import OAuthRefused
from backend.src.web.boilerplates import CSS, Boilerplates
from backend.src.web.http_codes import HttpCodes
from backend.src.web.problems import headers_of, shape_of

FOLDER = Path(__file__).parent / "pages"
HTML: Mapping[str, Mapping[str, Any]] = {"text/html": {"type": "string"}}

_environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a form; autocomplete tells password managers what it is."""

    name: str
    label: str
    kind: str
    autocomplete: str


@dataclass(frozen=True, slots=True)
class Link:
    """A way on."""

    address: str
    text: str


@dataclass(frozen=True, slots=True)
class FormPage:
    """A page with one form, which comes back with what was wrong."""

    title: str
    action: str
    button: str
    fields: Sequence[Field] = ()
    text: str = ""
    links: Sequence[Link] = ()

    def render(self, hidden: Mapping[str, str], error: LarderError | None = None) -> Response:
        """The page, with the status of the error if there is one."""
        body = _environment.get_template("form.html").render(
            title=self.title,
            action=self.action,
            button=self.button,
            fields=self.fields,
            text=self.text,
            links=self.links,
            hidden=hidden,
            problem=problem_of(error),
        )
        return _page(body, error)


def message_page(
    title: str,
    *,
    text: str = "",
    error: LarderError | None = None,
    shown: Mapping[str, str] | None = None,
    links: Sequence[Link] = (),
) -> Response:
    """A page that says something; `shown` are texts to be copied, by their names."""
    body = _environment.get_template("message.html").render(
        title=title, text=text, problem=problem_of(error), shown=shown or {}, links=links
    )
    return _page(body, error)


def problem_of(error: LarderError | None) -> str:
    """For people: what is wrong, each part of it, what to do."""
    if error is None:
        return ""
    parts = [one.message for one in getattr(error, "errors", ())]
    return ". ".join(part for part in (error.message, *parts, error.remedy) if part)


def style_sheet() -> Response:
    """Of every page."""
    css = (FOLDER / "style.css").read_bytes()
    return Boilerplates.text(css, media_type=CSS)


def _page(body: str, error: LarderError | None) -> Response:
    status, headers = HttpCodes.OK, None
    if isinstance(error, OAuthRefused):  # the way here was wrong, not the person
        status = HttpCodes.BAD_REQUEST
    elif error is not None:
        status, headers = shape_of(type(error)).status, headers_of(error)
    return Boilerplates.html(body, status=status, headers=headers)
