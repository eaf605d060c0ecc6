"""MailManagement against a real SMTP server, over every kind of connection, broken off at every stage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from backend.src.config.settings import MailSettings, Secret
from backend.src.core.errors import StartFailed, Unavailable
from backend.src.infra.mail import Attachment, Mail, MailDeferred, MailManagement, MailRefused, compose, conversation
from tests.manual_clock import ManualClock
from tests.servers.smtp import DROP, SENDER, SILENCE, SmtpSecurity, SmtpServer, Stage

USER, PASSWORD = "larder-mailer", "a good password"
TO = "ann@example.org"


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[SmtpSecurity, SmtpServer]]:
    """One of each kind; those with TLS want a login."""
    with (
        SmtpServer(SmtpSecurity.NONE) as plain,
        SmtpServer(SmtpSecurity.STARTTLS, user=USER, password=PASSWORD) as starttls,
        SmtpServer(SmtpSecurity.TLS, user=USER, password=PASSWORD) as tls,
    ):
        yield {server.security: server for server in (plain, starttls, tls)}


@pytest.fixture
def server(servers: dict[SmtpSecurity, SmtpServer]) -> SmtpServer:
    """The plain one, as if new."""
    plain = servers[SmtpSecurity.NONE]
    plain.behave()
    plain.messages.clear()
    plain.smtputf8 = True
    return plain


async def started(settings: MailSettings, clock: ManualClock | None = None) -> MailManagement:
    mail: MailManagement = MailManagement.build(settings, clock or ManualClock())
    await mail.start()
    return mail


@pytest.fixture
async def mail(server: SmtpServer) -> AsyncIterator[MailManagement]:
    mail = await started(server.settings())
    yield mail
    await mail.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what the server notices by itself: both ends of TLS say goodbye after the client has given up."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def wire(number: int = 1, to: str = TO, **more: Any) -> bytes:
    text = Mail(to, "Hello", "Good day, Jürgen.\n.\n..\n", **more)
    return compose(text, SENDER, f"<{number}@example.org>", datetime(2026, 1, 1, tzinfo=UTC)).as_bytes()


@pytest.mark.parametrize("security", list(SmtpSecurity))
async def test_a_mail_arrives_as_it_was_made(servers: dict[SmtpSecurity, SmtpServer], security: SmtpSecurity) -> None:
    server = servers[security]
    server.messages.clear()
    mail, logins = await started(server.settings()), server.logins
    await mail.send(TO, wire())
    await mail.stop()
    (kept,) = server.messages
    assert (kept.sender, kept.recipient, kept.data) == (SENDER, TO, wire())
    assert server.logins - logins == bool(server.user)


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
async def test_a_certificate_of_nobody_known_is_refused(
    servers: dict[SmtpSecurity, SmtpServer], security: SmtpSecurity
) -> None:
    server = servers[security]
    mail, logins, kept = await started(server.settings(ca_file="")), server.logins, len(server.messages)
    with pytest.raises(Unavailable, match="certificate"):
        await mail.send(TO, wire())
    assert (server.logins, len(server.messages)) == (logins, kept)
    await until(lambda: not server.open)


async def test_starttls_is_never_left_out(server: SmtpServer) -> None:
    """A server (or somebody on the way) that offers none gets neither mail nor password."""
    mail = await started(server.settings(security="starttls", user=USER, password=Secret(PASSWORD)))
    with pytest.raises(Unavailable):
        await mail.send(TO, wire())
    assert not server.messages


async def test_a_wrong_password_names_the_setting(servers: dict[SmtpSecurity, SmtpServer]) -> None:
    mail = await started(servers[SmtpSecurity.TLS].settings(password=Secret("wrong")))
    with pytest.raises(Unavailable) as caught:
        await mail.send(TO, wire())
    assert "SENDER_PASSWORD" in str(caught.value.remedy) and "wrong" not in str(caught.value)
    mail = await started(servers[SmtpSecurity.TLS].settings(password=Secret("")))
    with pytest.raises(Unavailable) as caught:
        await mail.send(TO, wire())
    assert "SENDER_PASSWORD" in str(caught.value.remedy)
    await until(lambda: not servers[SmtpSecurity.TLS].open)


async def test_one_connection_serves_a_batch(server: SmtpServer, mail: MailManagement) -> None:
    before = server.connections
    for number in range(5):
        await mail.send(TO, wire(number))
    await mail.hang_up()
    await mail.send(TO, wire(5))
    assert server.connections - before == 2
    assert [kept.message_id for kept in server.messages] == [f"<{number}@example.org>" for number in range(6)]


UNTIL_DATA = [Stage.CONNECT, Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY]


@pytest.mark.parametrize("how", [DROP, SILENCE, "421 closing", "451 later"])
@pytest.mark.parametrize("stage", [*UNTIL_DATA, Stage.DOT, Stage.ANSWER])
async def test_what_breaks_off_is_told_and_the_next_mail_goes(
    server: SmtpServer, stage: Stage, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "PATIENCE", 1)  # ten minutes of silence after the dot would be right
    mail = await started(server.settings(timeout_s=1.5 if how == SILENCE else 20.0))
    server.fail(stage, how)
    with pytest.raises(Unavailable) as caught:
        await mail.send(TO, wire(1))
    mail._settings = server.settings()  # for a new conversation: what is only slow keeps its time
    about_this_mail = how == "451 later" and stage not in (Stage.CONNECT, Stage.EHLO)
    assert isinstance(caught.value, MailDeferred) == about_this_mail
    await mail.send(TO, wire(2))
    ids = [kept.message_id for kept in server.messages]
    assert ids == (["<1@example.org>"] if stage is Stage.ANSWER else []) + ["<2@example.org>"]
    await mail.stop()


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT])
async def test_a_refusal_for_good_is_told_apart(server: SmtpServer, mail: MailManagement, stage: Stage) -> None:
    before = server.connections
    server.fail(stage, "550 5.1.1 no such person")
    with pytest.raises(MailRefused, match=r"550 5\.1\.1 no such person"):
        await mail.send(TO, wire())
    await mail.ping()  # the server is there
    if stage is not Stage.BODY:  # where it stopped reading in the middle, the rest was taken for commands
        await mail.send(TO, wire())
        assert server.connections - before == 1, "a refusal costs no new connection"


async def test_a_refused_sender_is_a_matter_of_settings(server: SmtpServer, mail: MailManagement) -> None:
    server.fail(Stage.MAIL, "550 not you")
    with pytest.raises(Unavailable) as caught:
        await mail.send(TO, wire())
    assert "SENDER_ADDRESS" in str(caught.value.remedy)


@pytest.mark.parametrize("how", [DROP, "421 enough"])
async def test_a_conversation_that_the_server_ended_meanwhile_is_no_failure(
    server: SmtpServer, mail: MailManagement, how: str
) -> None:
    await mail.send(TO, wire(1))
    server.fail(Stage.MAIL, how)
    await mail.send(TO, wire(2))
    assert len(server.messages) == 2


async def test_a_large_attachment_arrives_whole(server: SmtpServer) -> None:
    mail, data = await started(server.settings()), bytes(range(256)) * 16_384  # 4 MB
    await mail.send(TO, wire(attachments=(Attachment("values.bin", "application/octet-stream", data),)))
    await mail.stop()
    (file,) = server.messages[0].message.iter_attachments()
    assert file.get_payload(decode=True) == data


async def test_a_mail_beyond_the_servers_size_is_refused_before_it_is_sent(server: SmtpServer) -> None:
    server.largest_bytes, largest = 1_000, server.largest_bytes
    mail = await started(server.settings())
    with pytest.raises(MailRefused, match="552"):
        await mail.send(TO, wire(attachments=(Attachment("x", "a/b", bytes(2_000)),)))
    await mail.stop()
    server.largest_bytes = largest


async def test_letters_beyond_ascii_in_addresses(server: SmtpServer, mail: MailManagement) -> None:
    for to in ("jürgen@bücher.example", "ann@bücher.example"):
        await mail.send(to, wire(to=to))
    assert [kept.recipient for kept in server.messages] == ["jürgen@bücher.example", "ann@xn--bcher-kva.example"]
    await mail.hang_up()
    server.smtputf8 = False
    await mail.send("ann@bücher.example", wire(to="ann@bücher.example"))
    with pytest.raises(MailRefused, match="SMTPUTF8"):
        await mail.send("jürgen@bücher.example", wire(to="jürgen@bücher.example"))


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.DOT])
async def test_a_cancelled_mail_does_not_spoil_the_next(server: SmtpServer, stage: Stage) -> None:
    mail = await started(server.settings())
    server.fail(stage, SILENCE)
    sending = asyncio.ensure_future(mail.send(TO, wire(1)))
    await until(lambda: server.has_failed(stage))
    sending.cancel()
    await asyncio.wait([sending])
    assert sending.cancelled()
    await mail.send(TO, wire(2))
    await mail.stop()
    assert [kept.message_id for kept in server.messages] == ["<2@example.org>"]


async def test_the_ping_asks_the_server_seldom(server: SmtpServer) -> None:
    clock = ManualClock()
    mail, before = await started(server.settings(), clock), server.connections
    for _ in range(20):
        await mail.ping()
    assert server.connections - before == 1
    server.fail(Stage.CONNECT, DROP)
    await mail.ping()
    clock.advance(121)
    with pytest.raises(Unavailable):
        await mail.ping()
    with pytest.raises(Unavailable):  # as it was found; the server is not asked again
        await mail.ping()
    await mail.send(TO, wire())
    await mail.ping()
    await mail.stop()


async def test_without_a_server_nothing_is_sent_and_nothing_is_wrong() -> None:
    mail = await started(MailSettings())
    await mail.ping()
    assert not mail.configured
    with pytest.raises(Unavailable, match="sends no mail"):
        await mail.send(TO, wire())
    await mail.stop()


@pytest.mark.parametrize("address", ["", "larder", "larder@", "Larder <a@b.org>", "Larder<a@b.org>", "larder@my_host"])
async def test_a_sender_that_is_none_stops_the_start(server: SmtpServer, address: str) -> None:
    """Later, it would be those who ask for a mail that are told of a wrong address."""
    with pytest.raises(StartFailed, match="SENDER_ADDRESS") as caught:
        await started(server.settings(address=address))
    assert caught.value.remedy


async def test_a_sender_in_a_network_of_ones_own_is_accepted(server: SmtpServer) -> None:
    await started(server.settings(address="larder@gateway"))


async def test_a_ca_file_that_is_none_stops_the_start(server: SmtpServer) -> None:
    with pytest.raises(StartFailed, match="SENDER_CA_FILE"):
        await started(server.settings(ca_file="/nowhere.pem"))
    with pytest.raises(StartFailed, match="SENDER_CA_FILE"):
        await started(server.settings(ca_file=__file__))
