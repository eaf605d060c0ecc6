"""What may change something leaves a trace before it begins; what only asks leaves none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response

from backend.src.config.settings import SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.errors import Conflict
from backend.src.infra.sql import SQL
from backend.src.services.audit import Audit, AuditFilters, AuditRecord
from backend.src.web.access import Access
from backend.src.web.app import build_app
from backend.src.web.endpoints.audit import AuditEndpoint
from backend.src.web.path_manager import PathManager
from backend.src.web.routes import SOCKET, Route
from tests.migrated import migrated
from tests.unit.web.conftest import SETTINGS, KnownKeys, client_of
from tests.unit.web.sample import Kept, Sample


class Traced(Sample):
    """Routes that wait, that name things and that ask."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on = asyncio.Event(), asyncio.Event()

    def routes(self) -> tuple[Route, ...]:
        """Those of the sample, and more."""
        return (
            *super().routes(),
            Route("PUT", "/groups/{group}/things/{thing}", self.change, access=Access.WRITE),
            Route("POST", "/ask", self.open, access=Access.READ),
            Route("PUT", "/own", self.open, access=Access.READ),
            Route("PUT", "/tagged", self.tagged, access=Access.WRITE),
            Route("GET", "/tagged", self.tagged, access=Access.READ),
        )

    async def change(self, group: str, thing: str, force: bool = False) -> Kept:
        """Waits until it may go on."""
        self.inside.set()
        await self.go_on.wait()
        return Kept(the_name=f"{group} {thing} {force}", kept_by="")

    async def tagged(self) -> Response:
        """An answer of which its declaration says nothing."""
        return Response("{}", media_type="application/json", headers={"ETag": '"x"'})


class Stand:
    """The sample behind a trail in a real database."""

    def __init__(self, sql: SQL) -> None:
        self.sql, self.audit, self.sample = sql, Audit(sql, SystemClock()), Traced()
        paths = PathManager()
        paths.collect([self.sample.routes(), AuditEndpoint(self.audit).routes()])
        paths.freeze()
        self.app = build_app(SETTINGS, paths, KnownKeys(), audit=self.audit)

    async def trail(self) -> list[AuditRecord]:
        return await self.audit.entries(AuditFilters(), limit=100)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    sql = SQL.build(SqlSettings(), await migrated(tmp_path))
    await sql.start()
    yield Stand(sql)
    await sql.stop()


@pytest.fixture
async def client(stand: Stand) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(stand.app, host="192.0.2.7") as client:
        yield client


async def test_the_entry_is_there_while_the_handler_works(stand: Stand, client: httpx.AsyncClient) -> None:
    path = "/groups/magnets/things/Q:1?force=true&password=hunter2"
    asking = asyncio.ensure_future(client.put(path, headers={"X-Request-ID": "r-1"}))
    await asyncio.wait_for(stand.sample.inside.wait(), 20)
    (entry,) = await stand.trail()
    assert (entry.action, entry.status) == ("PUT /groups/{group}/things/{thing}", None)
    stand.sample.go_on.set()
    assert (await asking).status_code == 200
    (entry,) = await stand.trail()
    assert (entry.status, entry.address, entry.request_id) == (200, "192.0.2.7", "r-1")
    assert (entry.actor_kind, entry.actor_id, entry.actor_name) == ("key", "1", "everything")
    assert entry.target == "magnets/Q:1"
    assert entry.detail == {"force": "true"}  # nothing that the route does not know, such as a secret by mistake


async def test_every_end_has_its_status(stand: Stand, client: httpx.AsyncClient) -> None:
    stand.sample.error = Conflict("it is so already")
    assert (await client.delete("/things")).status_code == 409
    stand.sample.error = ZeroDivisionError("a fault of ours")
    assert (await client.delete("/things")).status_code == 500
    assert (await client.post("/things", json={"secret": "hunter2"})).status_code == 422
    assert (await client.post("/things", content=b"x" * 900, headers={"Content-Type": "text/plain"})).status_code == 422
    assert [entry.status for entry in await stand.trail()] == [422, 422, 500, 409]
    assert "hunter2" not in str(await stand.trail())


async def test_what_was_done_is_answered_as_done_though_its_answer_was_not_declared(
    stand: Stand, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await client.put("/tagged")).status_code == 200
    assert [entry.status for entry in await stand.trail()] == [200]
    assert "PUT /tagged is not declared as conditional" in caplog.text
    assert (await client.get("/tagged")).status_code == 500


async def test_who_may_not_is_noted_and_who_is_unknown_is_not(stand: Stand, client: httpx.AsyncClient) -> None:
    assert (await client.delete("/things", headers={"X-API-Key": "read"})).status_code == 403
    assert (await client.delete("/things", headers={"X-API-Key": "wrong"})).status_code == 401
    assert (await client.get("/v1/admin/audit", headers={"X-API-Key": "manage"})).status_code == 403
    (entry,) = await stand.trail()
    assert (entry.actor_name, entry.action, entry.status) == ("read", "DELETE /things", 403)
    assert stand.sample.reached == []


async def test_what_only_asks_leaves_no_trace(stand: Stand, client: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/things/1"), ("POST", "/ask"), ("GET", "/open"), ("GET", "/v1/admin/audit")):
        assert (await client.request(method, path)).status_code == 200
    assert await stand.trail() == []
    await client.put("/own")
    assert [entry.action for entry in await stand.trail()] == ["PUT /own"]


async def test_what_cannot_be_noted_is_not_done(stand: Stand, client: httpx.AsyncClient) -> None:
    await stand.sql.stop()
    assert (await client.delete("/things")).status_code == 503
    assert stand.sample.reached == []


async def test_the_trail_is_read_in_pages(stand: Stand, client: httpx.AsyncClient) -> None:
    for _ in range(5):
        await client.put("/own")
    seen, url = [], "/v1/admin/audit?pageSize=2&actor=everything&from=2020-01-01T00:00:00Z"
    while url:
        answer = await client.get(url)
        seen += [entry["id"] for entry in answer.json()]
        url = str(answer.links["next"]["url"]) if "next" in answer.links else ""
    assert seen == ["5", "4", "3", "2", "1"]
    assert (await client.get("/v1/admin/audit?requestId=none")).json() == []


async def test_the_exported_file_holds_no_formula(stand: Stand, client: httpx.AsyncClient) -> None:
    stand.sample.go_on.set()
    await client.put("/groups/=1+1/things/@x")
    answer = await client.get("/v1/admin/audit/export", params={"action": "PUT /groups/{group}/things/{thing}"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    header, line = answer.text.splitlines()
    assert header.startswith('"id","at","actorKind"') and '"\'=1+1/@x"' in line


@pytest.mark.parametrize(
    "query", ["from=x", "to=2020-01-01", "pageSize=0", "continuationToken=abc", "actor=%00", "action=" + "x" * 401]
)
async def test_a_strange_question_is_422(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/v1/admin/audit?{query}")).status_code == 422


@pytest.mark.parametrize(
    ("method", "access", "traced"),
    [
        ("GET", Access.ADMIN, False),
        ("POST", Access.READ, False),
        ("POST", Access.OPEN, False),
        ("DELETE", Access.OPEN, False),
        (SOCKET, Access.WRITE, False),
        ("POST", Access.WRITE, True),
        ("PATCH", Access.READ, True),
        ("DELETE", Access.READ, True),
    ],
)
def test_which_routes_leave_a_trace(method: str, access: Access, traced: bool) -> None:
    assert Route(method, "/x", print, access=access).leaves_trace is traced
