"""/v1/admin/mail over the real outbox and an SQLite file; no mail server answers here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.src.config.settings import MailSettings, SqlSettings
from backend.src.core.seal import Seal
from backend.src.core.supervisor import Supervisor
from backend.src.infra.mail import Mail, MailManagement
from backend.src.infra.sql import SQL
from backend.src.services.mailing import Outbox, outbox_rows
from backend.src.web.endpoints.mail import MailEndpoint
from tests.manual_clock import ManualClock
from tests.migrated import migrated
from tests.unit.web.conftest import EVERYTHING, client_of, make_app

SETTINGS = MailSettings(host="127.0.0.1", address="larder@example.org")
CODE = "one-time code 7163"


class Office:
    """Five mails: the second was sent, the third has failed."""

    def __init__(self, sql: SQL) -> None:
        self.sql, self.clock = sql, ManualClock()
        mail = MailManagement.build(SETTINGS, self.clock)
        self.outbox = Outbox(sql, mail, self.clock, Supervisor(), Seal("k" * 32, "outbox"), SETTINGS)
        self.app = make_app(MailEndpoint(self.outbox))

    async def fill(self) -> None:
        mails = [Mail(f"ann{number}@example.org", "Hello", CODE) for number in range(5)]
        now = self.clock.now()

        def write(connection: Any) -> None:
            for mail in mails:
                self.outbox.put(connection, mail)
            claimed = [outbox_rows.claim_next(connection, "me", now) for _ in range(3)]
            first, second, third = (one.id for one in claimed if one is not None)
            outbox_rows.put_off(connection, first, "me", now, "450 later")
            outbox_rows.note_sent(connection, second, "me", now)
            outbox_rows.note_failed(connection, third, "me", "550 no such person")

        await self.sql.write(write)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    sql = SQL.build(SqlSettings(), await migrated(tmp_path))
    await sql.start()
    office = Office(sql)
    await office.fill()
    yield office
    await sql.stop()


@pytest.fixture
async def client(office: Office) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(office.app, EVERYTHING) as client:
        yield client


async def test_pages_lead_through_all_newest_first_and_no_mail_shows_what_it_says(client: httpx.AsyncClient) -> None:
    seen, url = [], "/v1/admin/mail?pageSize=2"
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200 and CODE not in answer.text and 'message"' not in answer.text
        seen += [mail["recipient"] for mail in answer.json()]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == [f"ann{number}@example.org" for number in (4, 3, 2, 1, 0)]


async def test_one_can_ask_for_a_state_and_an_address(client: httpx.AsyncClient) -> None:
    (failed,) = (await client.get("/v1/admin/mail?status=failed")).json()
    assert (failed["status"], failed["error"], failed["attempts"]) == ("failed", "550 no such person", 1)
    assert (await client.get(f"/v1/admin/mail/{failed['id']}")).json() == failed
    (sent,) = (await client.get("/v1/admin/mail?recipient=ann1@example.org")).json()
    assert sent["status"] == "sent" and sent["sentAt"] is not None
    assert (await client.get("/v1/admin/mail", params={"recipient": "' OR 1=1 --"})).json() == []


async def test_what_failed_can_be_tried_again_and_what_was_sent_cannot(client: httpx.AsyncClient) -> None:
    by_state = {mail["status"]: mail["id"] for mail in (await client.get("/v1/admin/mail")).json()}
    again = await client.post(f"/v1/admin/mail/{by_state['failed']}/retry")
    assert (again.status_code, again.json()["status"], again.json()["attempts"]) == (200, "waiting", 0)
    assert (await client.post(f"/v1/admin/mail/{by_state['sent']}/retry")).status_code == 409
    assert (await client.post("/v1/admin/mail/999/retry")).status_code == 404
    assert (await client.get("/v1/admin/mail/999")).status_code == 404


@pytest.mark.parametrize(
    "query",
    ["status=lost", "recipient=", "recipient=a%00b", "recipient=" + "a" * 300, "pageSize=0", "continuationToken=x",
     "continuationToken=WyJqb2JzIiwxXQ"],
)  # fmt: skip
async def test_what_makes_no_sense_is_a_clear_refusal(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/v1/admin/mail?{query}")).status_code == 422


async def test_it_is_for_administrators(office: Office) -> None:
    for key in ("read", "write", "restore", "manage"):
        async with client_of(office.app, key) as client:
            assert (await client.get("/v1/admin/mail")).status_code == 403
