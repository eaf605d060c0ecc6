"""What Larder writes to people: each letter once, in templates/letters, as HTML and as text.

templates/html and templates/text hold the same building blocks (layout, paragraph, button), so both parts of a mail
always say the same. Everything that comes from people is escaped in HTML and kept on one line.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from backend.src.infra.mail import Mail

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_NAME = 60

_looks_like_address = re.compile(r"[/:@]|\.\S")


class Letters:
    """Makes mails. `server` is where people reach this server: the letters say who writes."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._html = _environment("html", autoescape=True)
        self._text = _environment("text", autoescape=False)

    def verification(self, to: str, name: str, link: str, valid_s: float) -> Mail:
        """To confirm the address of a new account."""
        return self._letter("verification", to, name=name, link=link, valid=duration(valid_s))

    def already_registered(self, to: str, name: str, link: str) -> Mail:
        """Somebody registers with an address that has an account; `link` leads to a new password."""
        return self._letter("already_registered", to, name=name, link=link)

    def invitation(self, to: str, invited_by: str, role: str, link: str, valid_s: float) -> Mail:
        """To open an account."""
        return self._letter("invitation", to, invited_by=invited_by, role=role, link=link, valid=duration(valid_s))

    def reset(self, to: str, name: str, link: str, valid_s: float) -> Mail:
        """To set a new password."""
        return self._letter("reset", to, name=name, link=link, valid=duration(valid_s))

    def change_address(self, to: str, name: str, link: str, valid_s: float) -> Mail:
        """To the new address: to confirm it."""
        return self._letter("change_address", to, name=name, link=link, valid=duration(valid_s))

    def address_changed(self, to: str, name: str, new: str) -> Mail:
        """To the old address."""
        return self._letter("address_changed", to, name=name, new=new)

    def password_changed(self, to: str, name: str, at: datetime, address: str | None = None) -> Mail:
        """A notice; `address` is from where it was done."""
        return self._letter("password_changed", to, name=name, at=moment(at), address=address)

    def locked_out(self, to: str, name: str, until: datetime) -> Mail:
        """A notice: so many logins failed that the next has to wait."""
        return self._letter("locked_out", to, name=name, until=moment(until))

    def provider_linked(self, to: str, name: str, provider: str) -> Mail:
        """A notice: the account can now be entered through a provider too."""
        return self._letter("provider_linked", to, name=name, provider=provider)

    def account_deleted(self, to: str, name: str) -> Mail:
        """The last mail to somebody."""
        return self._letter("account_deleted", to, name=name)

    def _letter(self, letter: str, to: str, **values: Any) -> Mail:
        values = {key: _plain(value) if isinstance(value, str) else value for key, value in values.items()}
        values |= {"server": self._server, "to": to, "greeting": _greeting(values.get("name", ""))}
        text, html = (one.get_template(f"{letter}.j2") for one in (self._text, self._html))
        subject = "".join(text.blocks["subject"](text.new_context(values)))
        return Mail(to, subject, text.render(values), html.render(values))


def duration(seconds: float) -> str:
    """In the largest unit that fits: 2 days, 1 hour, 90 minutes."""
    for unit, length_s in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length_s and seconds % length_s == 0:
            count = round(seconds / length_s)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{max(2, round(seconds / 60))} minutes"


def moment(at: datetime) -> str:
    """2026-01-31 14:05 UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _greeting(name: str) -> str:
    """Nobody shall make this server send their own text, or a link, by registering under it as a name."""
    return f"Hello {name}," if 0 < len(name) <= LONGEST_NAME and not _looks_like_address.search(name) else "Hello,"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _environment(form: str, *, autoescape: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader([TEMPLATES / "letters", TEMPLATES / form]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
