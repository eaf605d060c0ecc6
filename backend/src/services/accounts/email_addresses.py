"""The addresses of people: one spelling for each, so that nobody gets a second account by another spelling.

Mail goes to this spelling alone, never to what somebody typed: an address that only looks like another's (a
full-width letter, another case) can be given in, but its mail reaches the other's mailbox.
"""

from __future__ import annotations

import unicodedata

from email_validator import EmailNotValidError

from backend.src.core.errors import FieldError, Invalid
from backend.src.infra.mail import checked_address

LONGEST = 254  # RFC 5321, 4.5.3.1.3, without its brackets


def normalised_address(text: str, *, field: str = "email") -> str:
    """The one spelling: NFKC, lower case, no white space around. Raises Invalid for what is no address."""
    try:
        text.encode()
        checked = checked_address(_folded(text))
    except (EmailNotValidError, ValueError) as exc:  # ValueError: text that no encoding takes
        raise _refused(field, str(exc) if isinstance(exc, EmailNotValidError) else "not an address") from exc
    address = _folded(checked.normalized)
    if len(address) > LONGEST:
        raise _refused(field, f"longer than {LONGEST} characters")
    return address


def login_name(text: str) -> str:
    """The one spelling of whatever was typed at a login, address or not: it has to be counted, whatever it is."""
    try:
        return normalised_address(text)
    except Invalid:
        return _folded(text)


def _folded(text: str) -> str:
    storable = text.encode("utf-8", "replace").decode("utf-8")
    # lower, not casefold: that would turn ß into ss, which is another mailbox
    folded = unicodedata.normalize("NFKC", storable).lower()
    return unicodedata.normalize("NFKC", folded).strip()


def _refused(field: str, why: str) -> Invalid:
    return Invalid("this is no e-mail address", errors=[FieldError((field,), why)])
