"""Whether the database has the schema that this Larder needs, and how it gets it."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

from sqlalchemy import Connection, text

from backend.src.config.settings import SqlSettings
from backend.src.core.errors import StartFailed, Unavailable
from backend.src.infra.sql.engine import make_engine
from backend.src.infra.sql.migrations import HEAD
from backend.src.infra.sql.transactions import Transactions


async def migrate(settings: SqlSettings, data_dir: Path) -> tuple[str | None, str]:
    """Brings the database to HEAD: the revisions before and after. Raises StartFailed, Busy."""
    transactions = Transactions(make_engine(settings, data_dir), settings)
    try:
        return await asyncio.to_thread(_upgrade, transactions), HEAD
    except Unavailable as error:
        raise StartFailed(error.message, remedy=error.remedy) from error
    finally:
        transactions.engine.dispose()


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


def _upgrade(transactions: Transactions) -> str | None:
    current = transactions.run(_revision, writing=False)
    _refuse_newer(current)
    if current != HEAD:
        # loaded on need: Alembic costs a third of a second, and a start with the schema at HEAD does without
        upgrade = importlib.import_module("backend.src.infra.sql.upgrade")
        transactions.run(upgrade.upgrade_to_head, writing=True)
    return current


def _refuse_newer(current: str | None) -> None:
    if current is not None and current > HEAD:
        raise StartFailed(f"the database has schema {current}, newer than {HEAD}", remedy="use a newer Larder")


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
