"""Whether the database has the schema that this Larder needs, and how it gets it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, text

from backend.src.config.settings import SqlSettings
from backend.src.core.errors import StartFailed, Unavailable
from backend.src.infra.sql.engine import DATABASE_FILE, make_engine
from backend.src.infra.sql.migrations import HEAD
from backend.src.infra.sql.transactions import Transactions

T = TypeVar("T")


async def migrate(settings: SqlSettings, data_dir: Path) -> tuple[str | None, str]:
    """Brings the database to HEAD: the revisions before and after. Raises StartFailed, Busy."""
    return await _once(settings, data_dir, _upgrade), HEAD


async def revisions(settings: SqlSettings, data_dir: Path) -> tuple[str | None, str]:
    """What the database has and what this Larder needs. Changes nothing, makes no file. Raises StartFailed."""
    if settings.embedded and not (data_dir / DATABASE_FILE).exists():
        return None, HEAD
    return await _once(settings, data_dir, _usable_revision), HEAD


def check_schema(transactions: Transactions, *, upgrade: bool) -> None:
    """Passes when the schema is at HEAD, or could be brought there. Raises StartFailed."""
    current = transactions.run(_revision, writing=False)
    if current == HEAD:
        return
    if not upgrade:
        _refuse_newer(current)
        raise StartFailed(
            f"the database has {'no schema' if current is None else f'schema {current}'}, this Larder needs {HEAD}",
            remedy="run `python -m backend.src migrate`",
        )
    _upgrade(transactions)


async def _once(settings: SqlSettings, data_dir: Path, work: Callable[[Transactions], T]) -> T:
    transactions = Transactions(make_engine(settings, data_dir), settings)
    try:
        return await asyncio.to_thread(work, transactions)
    except Unavailable as error:
        raise StartFailed(error.message, remedy=error.remedy) from error
    finally:
        transactions.engine.dispose()


def _upgrade(transactions: Transactions) -> str | None:
    current = _usable_revision(transactions)
    if current != HEAD:
        # loaded on need: Alembic costs a third of a second, and a start with the schema at HEAD does without
        upgrade = importlib.import_module("backend.src.infra.sql.upgrade")
        transactions.run(upgrade.upgrade_to_head, writing=True)
    return current


def _usable_revision(transactions: Transactions) -> str | None:
    current = transactions.run(_revision, writing=False)
    _refuse_newer(current)
    return current


def _refuse_newer(current: str | None) -> None:
    if current is not None and current > HEAD:
        raise StartFailed(f"the database has schema {current}, newer than {HEAD}", remedy="use a newer Larder")


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
