"""Which addresses there may be: those of a laboratory's own network too, which no public mail could reach."""

from __future__ import annotations

import email_validator
from email_validator import ValidatedEmail, validate_email

# ops@control.local, larder@gateway: control rooms live on such names. The library keeps its list for changing.
INTERNAL = frozenset({"arpa", "local", "localhost", "test"})
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = [
    name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in INTERNAL
]


def checked_address(text: str) -> ValidatedEmail:
    """The address with its parts. Raises EmailNotValidError, or ValueError for text that no encoding takes."""
    return validate_email(text, check_deliverability=False, globally_deliverable=False)
