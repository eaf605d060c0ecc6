"""kill -9 of a server that delivers: every mail arrives, and none twice but the one in hand, with its Message-ID."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from backend.src.config.settings import SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.seal import Seal
from backend.src.core.supervisor import Supervisor
from backend.src.infra.mail import Mail, MailManagement
from backend.src.infra.sql import SQL
from backend.src.services.mailing import Outbox
from tests.servers.larder import Larder
from tests.servers.smtp import SILENCE, SmtpServer, Stage
from tests.servers.soft_ioc import CLIENT_ENVIRONMENT

KEY = "0123456789abcdef0123456789abcdef"
MAILS = 150
KILLS = 3


@pytest.fixture(scope="module")
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


def a_larder(server: SmtpServer, folder: Path) -> Larder:
    sender = {
        "SENDER_HOST": "127.0.0.1", "SENDER_PORT": str(server.port), "SENDER_SECURITY": "none",
        "SENDER_ADDRESS": server.settings().address, "SECRET_KEY": KEY,
    }  # fmt: skip
    return Larder(folder, {**CLIENT_ENVIRONMENT, **sender})


async def write_down(server: SmtpServer, folder: Path, count: int) -> None:
    """So many mails that wait, as the transactions of a server leave them."""
    sql, clock, settings = SQL.build(SqlSettings(), folder), SystemClock(), server.settings()
    await sql.start()
    outbox = Outbox(sql, MailManagement.build(settings, clock), clock, Supervisor(), Seal(KEY, "outbox"), settings)
    mails = [Mail(f"ann{number}@example.org", f"Mail {number}", "Good day.") for number in range(count)]

    def put(connection: Connection) -> None:
        for mail in mails:
            outbox.put(connection, mail)

    await sql.write(put)
    await sql.stop()


def all_sent(larder: Larder, count: int) -> set[str]:
    """Waits until every mail counts as sent; their Message-IDs."""
    rows = larder.wait_for(
        "/v1/admin/mail?pageSize=1000", lambda rows: [row["status"] for row in rows] == ["sent"] * count, 60.0
    )
    return {row["messageId"] for row in rows}


def test_no_mail_is_lost_and_none_but_the_one_in_hand_comes_twice(server: SmtpServer, tmp_path: Path) -> None:
    asyncio.run(write_down(server, tmp_path, MAILS))
    server.delay_s = 0.01
    server.paused = True  # a busy machine may deliver for long before a start counts as ready
    in_hand: Counter[str] = Counter()  # the last mail before a kill: it alone may come once more after it
    before = 0
    with a_larder(server, tmp_path) as larder:
        for _ in range(KILLS):
            kill_while_it_delivers(server, larder)
            in_hand.update(kept.message_id for kept in server.messages[before:][-1:])
            before = len(server.messages)
            larder.start()
        server.paused, server.delay_s = False, 0.0
        ids = all_sent(larder, MAILS)
    copies = Counter(kept.message_id for kept in server.messages)
    twice = {message_id for message_id, count in copies.items() if count > 1}
    assert before < MAILS, "it was killed after the delivery, which proves nothing"
    assert set(copies) == ids and len(ids) == MAILS
    assert all(copies[message_id] <= 1 + in_hand[message_id] for message_id in copies)
    print(f"{len(twice)} of {KILLS} kills hit the moment between the server's 250 and the commit")


def kill_while_it_delivers(server: SmtpServer, larder: Larder) -> None:
    """At a random moment of the next few mails; whoever starts after that finds the server paused."""
    server.paused = False
    time.sleep(random.uniform(0.02, 0.3))
    larder.kill()
    server.paused = True
    deadline = time.monotonic() + 20
    while server.open:  # what the dead one had sent is read, and kept or not
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_mail_server_that_is_away_and_a_process_that_dies_before_it_hears_the_250(
    server: SmtpServer, tmp_path: Path
) -> None:
    asyncio.run(write_down(server, tmp_path, 3))
    server.messages.clear()
    server.delay_s = 0.0
    server.stop()
    with a_larder(server, tmp_path) as larder:
        mail = larder.wait_for("/health/ready", lambda answer: answer["status"] == "degraded")["dependencies"]["mail"]
        assert (mail["state"], mail["needed"]) == ("down", False)
        assert "no mail can be sent" in larder.log
        # health may know it before the first mail is put off: until then that mail would still find the server back
        rows = larder.wait_for("/v1/admin/mail", lambda rows: any(row["error"] for row in rows))
        put_off = next(row for row in rows if row["error"])
        server.fail(Stage.ANSWER, SILENCE)
        server.start()
        larder.api.call("POST", f"/v1/admin/mail/{put_off['id']}/retry")
        (first,) = server.wait_for(1)
        (in_hand,) = larder.api.call("GET", "/v1/admin/mail?status=sending")
        larder.kill()
        larder.start()
        assert len(all_sent(larder, 3)) == 3
        assert larder.api.call("GET", "/health/ready")["dependencies"]["mail"]["state"] == "up"
    copies = [kept.data for kept in server.messages if kept.message_id == in_hand["messageId"]]
    assert copies == [first.data, first.data] and len(server.messages) == 4
