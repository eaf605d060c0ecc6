"""The audit trail as a table for spreadsheets, in which nothing that somebody typed becomes a formula."""

from __future__ import annotations

import json
from collections.abc import Iterable

from backend.src.services.audit.entry import AuditRecord

COLUMNS = (
    "id", "at", "actorKind", "actorId", "actorName", "action", "target", "address", "requestId", "status", "detail",
)  # fmt: skip
# OWASP, "CSV Injection"; the full-width ones are taken for the others by spreadsheets in Japanese
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")


def write_header() -> str:
    """The first line."""
    return _line(COLUMNS)


def write_entries(entries: Iterable[AuditRecord]) -> str:
    """A line for each."""
    return "".join(_line(_cells(entry)) for entry in entries)


def safe_cell(text: str) -> str:
    """The text as a finished cell (RFC 4180), behind an apostrophe when a spreadsheet might calculate it.

    Every cell is in quotes, so that none can end early where semicolons or tabs separate.
    """
    dangerous = text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS)
    plain = f"'{text}" if dangerous else text
    return '"' + plain.replace('"', '""') + '"'


def _cells(entry: AuditRecord) -> tuple[str, ...]:
    detail = "" if entry.detail is None else json.dumps(entry.detail, ensure_ascii=False, sort_keys=True)
    status = "" if entry.status is None else str(entry.status)
    texts = (entry.actor_kind, entry.actor_id, entry.actor_name, entry.action, entry.target, entry.address)
    return (
        str(entry.id),
        entry.at.isoformat(),
        *(text or "" for text in texts),
        entry.request_id or "",
        status,
        # a lone surrogate, which JSON can hold, has no UTF-8
        detail.encode("utf-8", "backslashreplace").decode("utf-8"),
    )


def _line(cells: Iterable[str]) -> str:
    return ",".join(safe_cell(cell) for cell in cells) + "\r\n"
