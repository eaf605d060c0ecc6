"""What the drivers raise becomes what Larder raises: chosen by error code, never by words in a message."""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc

from backend.src.config.settings import SqlSettings
from backend.src.core.errors import Conflict, Invalid, LarderError, Unavailable

# https://dev.mysql.com/doc/mysql-errors/8.4/en/ ; 1020 is MariaDB's "record has changed since last read"
_DUPLICATE = {1062, 1586}
_BROKEN_REFERENCE = {1451, 1452, 1217, 1216, 1048, 3819, 4025}
_UNFIT = {1264, 1366, 1406, 3988, 1292}
_DENIED = {1045, 1698, 1044, 1049, 1130, 1251, 1142}
_AWAY = {
    2002,
    2003,
    2005,
    2006,
    2013,
    2014,
    2026,
    2055,
    1040,
    1053,
    1077,
    1078,
    1152,
    1158,
    1159,
    1160,
    1161,
    1927,
    3159,
}
_TRY_AGAIN = {1205, 1213, 1020}

_SQLITE_TRY_AGAIN = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_DUPLICATE = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
}
_SQLITE_FILE = {
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_NOTADB: "is not a database",
    sqlite3.SQLITE_READONLY: "may not be written",
    sqlite3.SQLITE_FULL: "does not fit on its disk any more",
    sqlite3.SQLITE_IOERR: "cannot be read or written",
}
_FILE_REMEDY = "look at the folder DATA_DIR: its owner, its free space; or restore the file from a copy"


def is_worth_retrying(error: Exception) -> bool:
    """A deadlock, a lock that was not given in time: the same transaction may well pass the next time."""
    if not isinstance(error, exc.DBAPIError):
        return False
    return not _is_sqlite(error) and _code(error) in _TRY_AGAIN  # SQLite has waited its busy_timeout already


def translate(error: exc.SQLAlchemyError, settings: SqlSettings) -> LarderError | None:
    """The error to raise instead; None when it is a fault of ours, which should be seen as it is."""
    if isinstance(error, exc.TimeoutError):  # the pool
        return _away(settings, "no connection became free")
    if not isinstance(error, exc.DBAPIError):
        return None
    return _of_sqlite(error) if _is_sqlite(error) else _of_mysql(error, settings)


def _is_sqlite(error: exc.DBAPIError) -> bool:
    return isinstance(error.orig, sqlite3.Error)


def _code(error: exc.DBAPIError) -> int:
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0)
        return code if code in _SQLITE_DUPLICATE else code & 0xFF
    return int(getattr(error.orig, "errno", 0) or 0)


def _of_sqlite(error: exc.DBAPIError) -> LarderError | None:
    code = _code(error)
    if code in _SQLITE_DUPLICATE:
        return Conflict("a row with this key exists already")
    if isinstance(error, exc.IntegrityError):
        return Conflict("it would break a reference to, or a rule of, another row")
    if code in _SQLITE_TRY_AGAIN:
        return Unavailable("the database is locked", remedy="end the other program that writes to DATA_DIR")
    if code in _SQLITE_FILE:
        return Unavailable(f"the database file {_SQLITE_FILE[code]}", remedy=_FILE_REMEDY)
    return None


def _of_mysql(error: exc.DBAPIError, settings: SqlSettings) -> LarderError | None:
    code = _code(error)
    if code in _DUPLICATE:
        return Conflict("a row with this key exists already")
    if code in _BROKEN_REFERENCE:
        return Conflict("it would break a reference to, or a rule of, another row")
    if code in _UNFIT:
        return Invalid("a value does not fit its column")
    if code in _DENIED:
        return _denied(settings, code)
    if code in _TRY_AGAIN:
        return Unavailable("the database was too busy with other writers", remedy="try again")
    if code in _AWAY or error.connection_invalidated:
        return _away(settings, str(error.orig))
    return None


def _away(settings: SqlSettings, cause: str) -> Unavailable:
    where = f"{settings.host}:{settings.port}" if settings.host else "SQLite"
    return Unavailable(
        f"the database at {where} is away: {cause}",
        remedy="start it, or correct DB_HOST and DB_PORT",
    )


def _denied(settings: SqlSettings, code: int) -> Unavailable:
    who = f"user {settings.user!r} at {settings.host}:{settings.port}"
    if code == 1049:
        return Unavailable(f"there is no database {settings.database!r} at {settings.host}:{settings.port}",
                           remedy="create it, or correct DB_DATABASE")  # fmt: skip
    if code in (1044, 1142):
        return Unavailable(f"the database refuses {settings.database!r} to {who}",
                           remedy="grant that user all rights on it, or correct DB_USER and DB_DATABASE")  # fmt: skip
    return Unavailable(f"the database refuses {who}", remedy="correct DB_USER and DB_PASSWORD")
