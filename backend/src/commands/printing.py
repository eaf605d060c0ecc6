"""How the commands print: JSON for scripts, tables and a progress bar for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from backend.src.commands.api import Api
from backend.src.core.errors import LarderError

WIDE = 10_000  # what is piped into another program is one line an entry
stdout = Console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
stderr = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table for people; None prints as nothing."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    stdout.print(table)


def finish_job(api: Api, job_id: str, what: str, *, quiet: bool) -> dict[str, Any]:
    """Shows a job's progress until it ends; Ctrl-C aborts it. Raises LarderError when it did not complete."""
    job: dict[str, Any] = {}
    with progress_bar(quiet=quiet) as progress:
        task = progress.add_task(what, total=100)
        try:
            for job in api.follow(job_id):
                progress.update(task, completed=job["progress"], description=job.get("message") or what)
        except KeyboardInterrupt:
            api.call("POST", f"/v1/jobs/{job_id}/abort")
            raise
    if job["status"] != "completed":
        raise LarderError(f"{what}: {job['status']}: {job.get('error') or job.get('message') or 'no reason given'}")
    return job


def progress_bar(*, quiet: bool) -> Progress:
    """A progress bar on standard error; nothing when quiet or when nobody watches."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=stderr, transient=True, disable=quiet or not stderr.is_terminal)
