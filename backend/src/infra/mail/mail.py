"""A mail as the rest of Larder means it. Whatever is in it, no field can become a second header."""

from __future__ import annotations

import re
from dataclasses import dataclass

from email_validator import EmailNotValidError, ValidatedEmail

from backend.src.core.errors import FieldError, Invalid
from backend.src.infra.mail.addresses import checked_address

LONGEST_SUBJECT = 200
LONGEST_FILE_NAME = 120

_unprintable = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]+")
_media_type = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_cid = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    media_type: str  # e.g. text/csv
    data: bytes

    def __post_init__(self) -> None:
        _check_media_type(self.media_type)
        object.__setattr__(self, "name", one_line(self.name, LONGEST_FILE_NAME).replace("/", "_") or "attachment")


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A picture that the HTML shows as <img src="cid:..">."""

    cid: str
    media_type: str
    data: bytes

    def __post_init__(self) -> None:
        _check_media_type(self.media_type)
        if not _cid.fullmatch(self.cid):
            raise Invalid(f"{self.cid!r} is no content id", remedy="use letters, digits, dots and dashes")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one address. Raises Invalid for an address that is none; a subject is brought to one line."""

    to: str
    subject: str
    text: str
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    images: tuple[InlineImage, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", parse_address(self.to).normalized)
        object.__setattr__(self, "subject", one_line(self.subject, LONGEST_SUBJECT))
        if self.images and self.html is None:
            raise Invalid("inline images need HTML that shows them")


def parse_address(text: str) -> ValidatedEmail:
    """An address with its parts. Raises Invalid."""
    try:
        return checked_address(text)
    except (EmailNotValidError, ValueError) as exc:  # ValueError: text that no encoding takes
        wrong = FieldError(("to",), "not an e-mail address")
        raise Invalid("this is not an e-mail address", errors=(wrong,)) from exc


def one_line(text: str, longest: int) -> str:
    """Without line ends and control characters, at most so long, and nothing that UTF-8 cannot carry."""
    plain = text.encode("utf-8", "replace").decode("utf-8")
    return _unprintable.sub(" ", plain).strip()[:longest].strip()


def _check_media_type(media_type: str) -> None:
    if not _media_type.fullmatch(media_type) or media_type.startswith(("multipart/", "message/")):
        raise Invalid(f"{media_type!r} is no media type", remedy="give one such as text/csv")
