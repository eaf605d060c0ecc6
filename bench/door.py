"""What the door costs: the check of a token, and an authenticated GET beside a bare FastAPI route."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, insert

from backend.src.config.loading import load
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import refresh_tokens, sessions
from backend.src.server import Server
from backend.src.services.accounts import Accounts, OAuthAuthentication, Role, Visit
from backend.src.services.accounts.users import UserDraft, Users
from bench.bare_server import bare_server
from bench.load import throughput
from tests.servers.larder import Larder, clean_environment

LOGINS = 10_000  # on record: as many as a busy site sees in a day
PEOPLE = 50  # who are logged in now, each with a token of their own
CHECK_FOR_S, LOAD_FOR_S = 3.0, 3.0
MOST_CHECK_S = 0.0002
LEAST_RATIO = 0.5
GET = "/v1/ws/status"
EMAIL, PASSWORD = "bench@example.org", secrets.token_urlsafe(24)
# counted, and never too many
UNLIMITED = "[door]\nrequests_per_minute = 1_000_000_000\n"


@dataclass
class DoorFigures:
    """Seconds for a check; answers a second, pair by pair."""

    check_s: float = 0.0
    bare: list[float] = field(default_factory=list)
    larder: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Larder's throughput as a part of the bare route's: the middle of the pairs."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.larder, self.bare, strict=True))

    def misses(self) -> Iterator[str]:
        """What is not as it shall be."""
        if self.check_s > MOST_CHECK_S:
            yield f"check of a token: {self.check_s * 1000:.3f} ms instead of {MOST_CHECK_S * 1000:g} ms"
        if self.ratio < LEAST_RATIO:
            yield f"authenticated GET: {self.ratio:.2f} of a bare route's throughput instead of {LEAST_RATIO:g}"


def measure_door(folder: Path, environment: Mapping[str, str], rounds: int) -> DoorFigures:
    """All of it, on a data folder of its own."""
    figures = DoorFigures(check_s=asyncio.run(_check_of_a_token(folder / "tokens", environment)))
    config = folder / "door.toml"
    config.write_text(UNLIMITED)
    with Larder(folder / "door", environment, config=config) as larder, bare_server() as bare:
        headers = {"X-API-Key": larder.key("read")}
        httpx.get(f"{larder.url}{GET}", headers=headers).raise_for_status()
        for _ in range(rounds):  # in pairs: what else the machine does should meet both
            figures.bare.append(throughput(bare, {}, LOAD_FOR_S))
            figures.larder.append(throughput(f"{larder.url}{GET}", headers, LOAD_FOR_S))
    return figures


async def _check_of_a_token(folder: Path, environment: Mapping[str, str]) -> float:
    """Seconds for one of many, with all that is asked again in that time."""
    RuntimeManager.reset()
    server = Server(load(None, clean_environment(folder, 0, environment)))
    async with server.running():
        sql, accounts = RuntimeManager.get(SQL), RuntimeManager.get(Accounts)
        person = await RuntimeManager.get(Users).create(UserDraft(EMAIL, "Bench", Role.OPERATOR, PASSWORD), by="bench")
        await sql.write(lambda db: _history(db, person.id), touches=("users", "sessions"))
        oauth, visit = RuntimeManager.get(OAuthAuthentication), Visit(device="bench")
        began = [await oauth.begin_session(person, "password", visit) for _ in range(PEOPLE)]
        tokens = itertools.cycle([pair.access_token for pair in began])
        checks, started = 0, time.perf_counter()
        while time.perf_counter() - started < CHECK_FOR_S:
            await accounts.authenticate_bearer(next(tokens))
            checks += 1
            if checks % 100 == 0:
                await asyncio.sleep(0)
        return (time.perf_counter() - started) / checks


def _history(connection: Connection, user_id: int) -> None:
    """Logins of a day: every second one ended."""
    now = datetime.now(UTC)
    logins: list[dict[str, Any]] = []
    for number in range(LOGINS):
        at = now - timedelta(seconds=86_400 * number / LOGINS)
        logins.append({
            "id": f"{number:016x}", "user_id": user_id, "method": "password", "created_at": at, "last_used_at": at,
            "expires_at": at + timedelta(days=30), "revoked_at": at if number % 2 else None,
        })  # fmt: skip
    connection.execute(insert(sessions), logins)
    connection.execute(insert(refresh_tokens), [
        {"token_hash": secrets.token_hex(32), "session_id": one["id"], "created_at": one["created_at"],
         "expires_at": one["expires_at"]}
        for one in logins
    ])  # fmt: skip
