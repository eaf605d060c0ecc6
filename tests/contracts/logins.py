"""The services of logged-in people over one database: keys, sessions, grants, checks."""

from __future__ import annotations

from typing import Any

from backend.src.core.seal import Seal
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.accounts import (
    BearerCheck,
    OAuthAuthentication,
    Sessions,
    SigningKeys,
    TokenInspection,
    TokenPair,
    Visit,
)
from backend.src.services.audit import Audit, AuditFilters
from tests.contracts.people import PASSWORD, People
from tests.manual_clock import ManualClock

SECRET_KEY = "k" * 32


class Logins:
    """`people` too, so that there is somebody to log in."""

    def __init__(self, sql: SQL, clock: ManualClock, *, secret_key: str = SECRET_KEY, **settings: Any) -> None:
        self.sql, self.clock = sql, clock
        self.people = People(sql, clock, **settings)
        self.supervisor = Supervisor()
        self.keys = SigningKeys(sql, clock, Seal(secret_key, "signing keys"), self.people.settings)
        self.sessions = Sessions(sql, clock, self.supervisor)
        self.bearer = BearerCheck(sql, self.keys, self.sessions, clock)
        self.inspection = TokenInspection(sql, self.bearer, clock)
        self.oauth = OAuthAuthentication(sql, self.people.users, self.keys, clock, self.people.settings)
        self._audit = Audit(sql, clock)

    async def start(self) -> None:
        await self.people.start()
        await self.sessions.start()

    async def stop(self) -> None:
        await self.sessions.stop()
        await self.people.stop()
        await self.supervisor.stop()

    async def log_in(self, name: str = "ann", **visit: Any) -> TokenPair:
        """NAME@lab.example, with the one password."""
        return await self.oauth.log_in(f"{name}@lab.example", PASSWORD, Visit(**visit))

    async def holds(self, pair: TokenPair) -> bool:
        """Whether the access token opens something, in this process and at once."""
        return await self.inspection.state(pair.access_token) is not None

    async def noted(self, action: str) -> int:
        """How often the audit trail tells of it."""
        return len(await self._audit.entries(AuditFilters(action=action), limit=100))
