"""The outbox over both databases, with a real SMTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from backend.src.config.settings import MailSettings, SqlSettings
from backend.src.core.errors import Conflict, TooLarge, Unavailable
from backend.src.core.seal import Seal
from backend.src.core.supervisor import Supervisor
from backend.src.infra.mail import Attachment, Mail, MailManagement
from backend.src.infra.sql import SQL
from backend.src.services.mailing import DeliveryReport, MailNotFound, MailStatus, Outbox, QueuedMail, outbox_rows
from backend.src.services.mailing.delivery import DEAD_MARGIN_S
from tests.manual_clock import ManualClock
from tests.servers.smtp import DROP, SILENCE, SmtpServer, Stage

KEY = "k" * 32
CODE = "one-time code 7163"


@pytest.fixture(scope="module")
def one_server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def server(one_server: SmtpServer) -> SmtpServer:
    """As if new."""
    one_server.behave()
    one_server.messages.clear()
    one_server.delay_s = 0.0
    one_server.paused = False
    return one_server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class Stand:
    """An outbox with its mail server."""

    def __init__(self, sql: SQL, clock: ManualClock, settings: MailSettings, key: str = KEY) -> None:
        self.sql = sql
        self.supervisor = Supervisor()
        self.mail: MailManagement = MailManagement.build(settings, clock)
        self.outbox = Outbox(sql, self.mail, clock, self.supervisor, Seal(key, "outbox"), settings)

    async def put(self, count: int = 1, **changed: Any) -> None:
        mails = [
            Mail(**{"to": f"ann{number}@example.org", "subject": "Hello", "text": CODE, **changed})
            for number in range(count)
        ]

        def put(connection: Connection) -> None:
            for mail in mails:
                self.outbox.put(connection, mail)

        await self.sql.write(put)

    async def rows(self) -> list[QueuedMail]:
        return (await self.outbox.mails(status=None, recipient=None, before=None, limit=1_000))[::-1]

    async def states(self) -> list[str]:
        return [mail.status.value for mail in await self.rows()]


@pytest.fixture
async def stand(sql: SQL, clock: ManualClock, server: SmtpServer) -> AsyncIterator[Stand]:
    stand = Stand(sql, clock, server.settings(keep_trying_s=7_200.0, timeout_s=60.0))
    await stand.mail.start()
    yield stand
    await stand.outbox.stop()
    await stand.mail.stop()


async def test_a_mail_exists_exactly_when_the_callers_change_does(stand: Stand, server: SmtpServer) -> None:
    def fails(connection: Connection) -> None:
        stand.outbox.put(connection, Mail("ann@example.org", "Hello", CODE))
        raise Conflict("no")

    with pytest.raises(Conflict):
        await stand.sql.write(fails)
    assert await stand.outbox.deliver_once() == DeliveryReport()
    await stand.put()
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=1)
    assert await stand.outbox.deliver_once() == DeliveryReport()
    (row,), (kept,) = await stand.rows(), server.messages
    assert (row.status, row.attempts, row.error) == (MailStatus.SENT, 1, None)
    assert (kept.recipient, kept.message_id, row.sent_at) == (row.recipient, row.message_id, row.created_at)
    assert CODE in kept.message.get_content()


async def test_what_a_mail_says_is_sealed_while_it_waits_and_gone_when_it_was_sent(stand: Stand) -> None:
    async def stored() -> bytes | None:
        value = await stand.sql.read(lambda connection: connection.scalar(text("SELECT message FROM outbox")))
        return None if value is None else bytes(value)

    await stand.put()
    sealed = await stored()
    assert sealed is not None and CODE.encode() not in sealed and b"Message-ID" not in sealed
    await stand.outbox.deliver_once()
    assert await stored() is None


async def test_a_mail_sealed_under_another_key_waits_for_it(
    stand: Stand, sql: SQL, clock: ManualClock, server: SmtpServer
) -> None:
    await stand.put()
    other = Stand(sql, clock, server.settings(timeout_s=60.0), key="o" * 32)
    await other.mail.start()
    assert await other.outbox.deliver_once() == DeliveryReport(put_off=1)
    assert "SECRET_KEY" in str((await stand.rows())[0].error)
    clock.advance(76)
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=1)


async def test_mail_sealed_under_another_key_holds_nobody_up(
    stand: Stand, sql: SQL, clock: ManualClock, server: SmtpServer
) -> None:
    await stand.put(3)
    other = Stand(sql, clock, server.settings(timeout_s=60.0), key="o" * 32)
    await other.mail.start()
    await other.put()
    assert await other.outbox.deliver_once() == DeliveryReport(put_off=3, sent=1)


async def test_many_processes_send_each_mail_once(
    stand: Stand, sql_settings: SqlSettings, clock: ManualClock, server: SmtpServer, tmp_path: Path
) -> None:
    """SQLite has one process: there, many rounds at once."""
    others = [] if sql_settings.embedded else [await another(sql_settings, clock, server, tmp_path) for _ in range(3)]
    await stand.put(40)
    reports = await asyncio.gather(*(one.outbox.deliver_once() for one in (stand, stand, *others)))
    assert sum(report.sent for report in reports) == 40
    assert sorted(kept.message_id for kept in server.messages) == sorted(row.message_id for row in await stand.rows())
    assert {row.attempts for row in await stand.rows()} == {1}
    for other in others:
        await other.mail.stop()
        await other.sql.stop()


async def another(settings: SqlSettings, clock: ManualClock, server: SmtpServer, folder: Path) -> Stand:
    """What another process on the same database has."""
    sql = SQL.build(settings, folder)
    await sql.start()
    other = Stand(sql, clock, server.settings(timeout_s=60.0))
    await other.mail.start()
    return other


async def test_a_mail_refused_for_now_is_tried_later_and_holds_nobody_up(
    stand: Stand, clock: ManualClock, server: SmtpServer
) -> None:
    server.fail(Stage.RCPT, "450 4.2.0 greylisted")
    await stand.put(3)
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=2, put_off=1)
    late = (await stand.rows())[0]
    assert late.status is MailStatus.WAITING and "greylisted" in str(late.error)
    assert late.next_attempt_at is not None and 45 <= (late.next_attempt_at - clock.now()).total_seconds() <= 75
    assert await stand.outbox.deliver_once() == DeliveryReport()
    clock.advance(76)
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=1)
    assert server.messages[-1].message_id == late.message_id
    assert (await stand.rows())[0].attempts == 2


async def test_a_mail_refused_for_good_is_not_tried_again_but_by_an_administrator(
    stand: Stand, clock: ManualClock, server: SmtpServer
) -> None:
    server.fail(Stage.RCPT, "550 5.1.1 no such person")
    await stand.put(2)
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=1, failed=1)
    clock.advance(86_400)
    assert await stand.outbox.deliver_once() == DeliveryReport()
    failed, sent = await stand.rows()
    assert failed.status is MailStatus.FAILED and "no such person" in str(failed.error)
    again = await stand.outbox.retry(failed.id)
    assert (again.status, again.attempts) == (MailStatus.WAITING, 0) and again.give_up_at > clock.now()
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=1)
    for gone in (failed.id, sent.id):
        with pytest.raises(Conflict):
            await stand.outbox.retry(gone)
    with pytest.raises(MailNotFound):
        await stand.outbox.retry(sent.id + 1)
    with pytest.raises(MailNotFound):
        await stand.outbox.mail(sent.id + 1)


async def test_a_server_that_is_away_is_asked_once_a_round(
    stand: Stand, clock: ManualClock, server: SmtpServer
) -> None:
    await stand.put(5)
    server.fail(Stage.CONNECT, DROP, times=3)
    before = server.connections
    for _ in range(3):
        assert await stand.outbox.deliver_once() == DeliveryReport(put_off=1)
    assert server.connections - before == 3
    clock.advance(60)
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=5)
    assert await stand.states() == ["sent"] * 5


async def test_a_mail_is_given_up_after_its_time(stand: Stand, clock: ManualClock, server: SmtpServer) -> None:
    server.fail(Stage.RCPT, "450 later", times=1_000)
    await stand.put()
    for _ in range(12):
        await stand.outbox.deliver_once()
        clock.advance(1_000)
    (row,) = await stand.rows()
    assert row.status is MailStatus.FAILED and "given up" in str(row.error) and "450 later" in str(row.error)
    server.behave()
    await stand.outbox.retry(row.id)
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=1)


async def test_a_connection_that_breaks_loses_nothing(stand: Stand, clock: ManualClock, server: SmtpServer) -> None:
    stages = [stage for stage in Stage if stage not in (Stage.AUTH, Stage.ANSWER)]
    for stage in stages:
        await stand.put(2)
        server.fail(stage, DROP, times=2)
        for _ in range(4):
            await stand.outbox.deliver_once()
            clock.advance(60)
    assert await stand.states() == ["sent"] * 2 * len(stages)
    assert len({kept.message_id for kept in server.messages}) == len(server.messages) == 2 * len(stages)


async def test_an_answer_that_was_lost_costs_a_copy_with_the_same_message_id(
    stand: Stand, clock: ManualClock, server: SmtpServer
) -> None:
    await stand.put()
    server.fail(Stage.ANSWER, DROP)
    await stand.outbox.deliver_once()
    clock.advance(60)
    await stand.outbox.deliver_once()
    first, second = server.messages
    assert first.data == second.data and await stand.states() == ["sent"]


async def test_what_a_dead_process_had_in_hand_is_sent_again(
    stand: Stand, clock: ManualClock, server: SmtpServer
) -> None:
    """At once where no other process can be alive; otherwise when it has been silent for longer than a mail takes."""
    await stand.put(2)
    now = clock.now()
    claimed = await stand.sql.write(lambda c: outbox_rows.claim_next(c, "elsewhere/1/2/abc", now))
    assert claimed is not None
    alone = stand.sql.dialect == "sqlite"
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=2 if alone else 1)
    clock.advance(stand.mail.limit_s + DEAD_MARGIN_S - 1)
    assert await stand.outbox.deliver_once() == DeliveryReport()
    clock.advance(1)
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=0 if alone else 1)
    assert await stand.states() == ["sent"] * 2
    late = await stand.sql.write(lambda c: outbox_rows.note_failed(c, claimed.id, "elsewhere/1/2/abc", "late"))
    assert not late, "who comes back from the dead changes nothing"


async def test_what_happened_is_written_down_however_long_the_database_is_away(
    stand: Stand, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stand.put()
    write, refused = stand.sql.write, 0

    async def away(work: Any, **options: Any) -> Any:
        nonlocal refused
        if server.messages and refused < 3:  # from the server's 250 on
            refused += 1
            raise Unavailable("the database is away")
        return await write(work, **options)

    monkeypatch.setattr("backend.src.services.mailing.delivery.NOTE_AGAIN_S", 0.01)
    monkeypatch.setattr(stand.sql, "write", away)
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=1)
    assert (refused, len(server.messages), await stand.states()) == (3, 1, ["sent"])


async def test_stopping_sends_the_mail_under_way_to_its_end(stand: Stand, server: SmtpServer) -> None:
    await stand.put(3)
    server.paused = True
    await stand.outbox.start()
    while "sending" not in await stand.states():
        await asyncio.sleep(0.01)
    stopping = asyncio.ensure_future(stand.outbox.stop())
    await asyncio.sleep(0)
    server.paused = False
    await stopping
    assert (sorted(await stand.states()), len(server.messages)) == (["sent", "waiting", "waiting"], 1)
    assert stand.supervisor.running() == ()


async def test_it_stops_at_any_moment(stand: Stand) -> None:
    """A wake-up and a stop in the same turn of the loop, or a few turns apart."""
    for turns in range(8):
        await stand.outbox.start()
        await asyncio.sleep(0.02)
        stand.outbox.wake()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await stand.outbox.stop()
        assert stand.supervisor.running() == ()


async def test_a_round_whose_caller_goes_away_ends_its_mail(stand: Stand, server: SmtpServer) -> None:
    await stand.put(2)
    server.paused = True
    delivering = asyncio.ensure_future(stand.outbox.deliver_once())
    while "sending" not in await stand.states():
        await asyncio.sleep(0.01)
    delivering.cancel()
    server.paused = False
    await ended_cancelled(delivering)
    await stand.outbox.stop()
    assert (sorted(await stand.states()), len(server.messages)) == (["sent", "waiting"], 1)


async def test_a_round_whose_caller_goes_away_while_it_claims_ends_its_mail(
    stand: Stand, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim commits whoever waits for it: a mail that nobody then sends would wait until its claim is too old."""
    await stand.put(2)
    write, claimed, go_on = stand.sql.write, asyncio.Event(), asyncio.Event()

    async def slow(work: Any, **options: Any) -> Any:
        result = await write(work, **options)
        claimed.set()
        await go_on.wait()
        return result

    monkeypatch.setattr(stand.sql, "write", slow)
    delivering = asyncio.ensure_future(stand.outbox.deliver_once())
    await claimed.wait()
    delivering.cancel()
    await ended_cancelled(delivering)
    go_on.set()
    await stand.outbox.stop()
    assert (sorted(await stand.states()), len(server.messages)) == (["sent", "waiting"], 1)


async def ended_cancelled(delivering: asyncio.Future[DeliveryReport]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await delivering


async def test_a_stop_that_cannot_wait_costs_a_copy_with_the_same_message_id(
    stand: Stand, sql: SQL, clock: ManualClock, server: SmtpServer
) -> None:
    """A mail server may take longer over the message than a service may take to stop."""
    await stand.put()
    server.fail(Stage.ANSWER, SILENCE)
    await stand.outbox.start()
    await asyncio.to_thread(server.wait_for, 1, 60.0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stand.outbox.stop(), 0.1)
    assert await stand.states() == ["sending"]
    after = Stand(sql, clock, server.settings(timeout_s=60.0))
    await after.mail.start()
    await after.outbox.deliver_once()
    clock.advance(after.mail.limit_s + DEAD_MARGIN_S)
    await after.outbox.deliver_once()
    first, second = server.messages
    assert first.data == second.data and await stand.states() == ["sent"]


async def test_a_mail_leaves_soon_after_the_commit(stand: Stand, server: SmtpServer) -> None:
    await stand.outbox.start()
    await stand.put()
    stand.outbox.wake()
    await asyncio.to_thread(server.wait_for, 1, 60.0)


async def test_pages_and_filters(stand: Stand, server: SmtpServer) -> None:
    server.fail(Stage.RCPT, "550 no", times=1)
    await stand.put(5)
    await stand.outbox.deliver_once()
    ids = [mail.id for mail in await stand.rows()][::-1]
    page = await stand.outbox.mails(status=None, recipient=None, before=ids[1], limit=2)
    assert [mail.id for mail in page] == ids[2:4]
    (failed,) = await stand.outbox.mails(status=MailStatus.FAILED, recipient=None, before=None, limit=9)
    assert failed.id == ids[-1] and await stand.outbox.mail(failed.id) == failed
    (third,) = await stand.outbox.mails(status=None, recipient="ann3@example.org", before=None, limit=9)
    assert third.id == ids[1]


async def test_the_largest_mail_fits_the_database(stand: Stand) -> None:
    await stand.put(attachments=(Attachment("a", "a/b", bytes(7_400_000)),))
    assert await stand.outbox.deliver_once() == DeliveryReport(sent=1)


async def test_a_larger_mail_is_refused(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.src.services.mailing.outbox.LARGEST_BYTES", 1_000)
    with pytest.raises(TooLarge):
        await stand.put(text="a" * 1_000)


async def test_without_a_mail_server_nothing_is_written_down(sql: SQL, clock: ManualClock) -> None:
    silent = Stand(sql, clock, MailSettings())
    assert not silent.outbox.configured and await silent.outbox.deliver_once() == DeliveryReport()
    with pytest.raises(Unavailable, match="sends no mail"):
        await silent.put()
