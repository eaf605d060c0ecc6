"""How the process logs: one line an event, for people or as JSON, without what looks like a secret.

A line says on whose behalf it was written: the request, the job, the cron (core/log_context.py).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

from backend.src.core.log_context import on_behalf
from backend.src.core.redaction import redact

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_control = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOISY = (
    "asyncio",
    "botocore",
    "boto3",
    "urllib3",
    "s3transfer",
    "alembic",
    "httpx",
    "httpcore",
    "mysql.connector",
    "apscheduler",
)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; a traceback goes into `exception`."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            **on_behalf(),
        }
        if record.exc_info:
            entry["exception"] = redact(self.formatException(record.exc_info))
        return json.dumps(entry, default=str)


def set_up(*, debug: bool, log_format: str) -> None:
    """Sends the log to standard error. Called once, by the command that serves."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else _ShortNames(TEXT))
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


class _ShortNames(logging.Formatter):
    """backend.src.services.jobs.runner reads as services.jobs.runner."""

    def format(self, record: logging.LogRecord) -> str:
        record.name = record.name.removeprefix("backend.src.")
        return redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line before a traceback, and for whom it was."""
        behalf = " ".join(f"{kind}={value}" for kind, value in on_behalf().items())
        line = _one_line(super().formatMessage(record))
        return f"{line} [{behalf}]" if behalf else line


def _one_line(text: str) -> str:
    """Control characters written out: a path or a name with a line end in it must not look like a line of ours."""
    return _control.sub(lambda found: repr(found[0])[1:-1], text)
