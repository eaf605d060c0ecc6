"""An SQLite database with its schema, without migrating it for each test: that takes 80 ms, copying it none.

Copies count as one and the same database: a test that needs two of them lets SQL make them.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from backend.src.config.settings import SqlSettings
from backend.src.infra.sql import migrate
from backend.src.infra.sql.engine import DATABASE_FILE

_at_head = b""


async def migrated(folder: Path) -> Path:
    """The folder, with a database at HEAD in it unless it has one."""
    global _at_head
    if not _at_head:
        with TemporaryDirectory() as made:
            await migrate(SqlSettings(), Path(made))
            _at_head = (Path(made) / DATABASE_FILE).read_bytes()
    if not (folder / DATABASE_FILE).exists():
        (folder / DATABASE_FILE).write_bytes(_at_head)
    return folder
