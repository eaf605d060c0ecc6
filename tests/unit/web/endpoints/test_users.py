"""/v1/users: what is answered when the database goes away behind a deletion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.src.config.settings import SqlSettings
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.accounts import ApiKeys, KeyDraft, Principal, PrincipalKind, Scope
from backend.src.web.endpoints.profile import ProfileEndpoint
from backend.src.web.endpoints.users import UsersEndpoint
from backend.src.web.user_models import Farewell
from tests.manual_clock import ManualClock
from tests.migrated import migrated

ANN = Principal(PrincipalKind.USER, "7", "ann", frozenset(Scope))


class LastAct:
    """Users and profiles: behind their deletion the database is away."""

    def __init__(self, sql: SQL) -> None:
        self._sql = sql

    async def delete(self, user_id: int, *_: Any, **__: Any) -> None:
        await self._sql.stop()


async def test_a_deletion_that_happened_is_answered_so(tmp_path: Path) -> None:
    sql: SQL = SQL.build(SqlSettings(), await migrated(tmp_path))
    keys, none = ApiKeys(sql, ManualClock(), Supervisor()), None
    act: Any = LastAct(sql)
    users, profile = UsersEndpoint(act, none, none, keys), ProfileEndpoint(none, act, keys)  # type: ignore[arg-type]
    await sql.start()
    key, _ = await keys.create(KeyDraft("scans", frozenset({Scope.READ})), by=ANN)
    assert [one.id for one in (await users.delete(7)).keys_left] == [str(key.id)]
    await sql.start()
    assert [one.id for one in (await profile.delete(Farewell(), ANN)).keys_left] == [str(key.id)]
