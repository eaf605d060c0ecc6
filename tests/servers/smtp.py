"""A real SMTP server on loopback (aiosmtpd, in a thread of its own) that misbehaves where it is told to.

with SmtpServer(SmtpSecurity.STARTTLS, user="larder", password="secret") as server:
    mail = MailManagement.build(server.settings())
    server.fail(Stage.RCPT, "550 no such person", times=1)     # or DROP, or SILENCE
    server.messages                                            # what it said 250 to, and what it kept before a drop
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from backend.src.config.settings import MailSettings, Secret
from tests.servers.certificates import make_certificate
from tests.servers.ports import free_port

HOST = "127.0.0.1"
SENDER = "larder@beamline.example.org"
DROP = "drop"  # close the connection without a word
SILENCE = "silence"  # keep it, and answer nothing any more
LARGEST_BYTES = 32 * 1024 * 1024
FOR_EVER_S = 3_600.0


class SmtpSecurity(StrEnum):
    """As [mail] security has it."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class Stage(StrEnum):
    """Where a conversation may go wrong."""

    CONNECT = "connect"
    EHLO = "EHLO"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"  # in place of 354
    BODY = "body"  # after 354, with half of the message read
    DOT = "dot"  # the whole message was read: it is not kept
    ANSWER = "answer"  # it is kept, and the client does not learn of it


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that the server took."""

    sender: str
    recipient: str
    data: bytes
    at: float  # time.monotonic()

    @property
    def message(self) -> EmailMessage:
        """It, parsed."""
        return message_from_bytes(self.data, policy=policy.default)

    @property
    def message_id(self) -> str:
        """Its Message-ID."""
        return str(self.message["Message-ID"])


class SmtpServer:
    """One server; `stop` and `start` again keep its port and what it kept."""

    def __init__(
        self,
        security: SmtpSecurity = SmtpSecurity.NONE,
        *,
        user: str = "",
        password: str = "",
        smtputf8: bool = True,
        largest_bytes: int = LARGEST_BYTES,
    ) -> None:
        self.port = free_port()
        self.security = security
        self.messages: list[Kept] = []
        self.connections = 0
        self.logins = 0
        self.delay_s = 0.0  # before each answer to DATA
        self.paused = False  # no answer to DATA until it is False again
        self.smtputf8 = smtputf8
        self.largest_bytes = largest_bytes
        self.user, self.password = user, password
        self.tls: ssl.SSLContext | None = None
        self.ca_file = ""
        self._faults: dict[Stage, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self.open: set[Conversation] = set()

    def settings(self, **changed: Any) -> MailSettings:
        """With which a client reaches it."""
        values: dict[str, Any] = {
            "host": HOST, "port": self.port, "security": self.security.value, "address": SENDER, "user": self.user,
            "password": Secret(self.password), "timeout_s": 20.0, "ca_file": self.ca_file,
        }  # fmt: skip
        return MailSettings(**{**values, **changed})

    def fail(self, stage: Stage, how: str, *, times: int = 1) -> None:
        """At this stage, so many times: DROP, SILENCE, or an answer such as "451 later"."""
        with self._lock:
            self._faults[stage] = (how, times)

    def behave(self) -> None:
        """Forgets every fault."""
        with self._lock:
            self._faults.clear()

    def fault(self, stage: Stage) -> str | None:
        """What shall go wrong at this stage, now; counts down."""
        with self._lock:
            how, times = self._faults.get(stage, ("", 0))
            if times <= 0:
                return None
            self._faults[stage] = (how, times - 1)
            return how

    def has_failed(self, stage: Stage) -> bool:
        """Whether it has gone wrong there as often as it was told to."""
        with self._lock:
            return self._faults[stage][1] == 0

    def start(self) -> None:
        """Listens when it returns."""
        if self.security is not SmtpSecurity.NONE and self.tls is None:
            self._folder = tempfile.TemporaryDirectory(prefix="smtp-")
            made = make_certificate(Path(self._folder.name), HOST)
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(made.certificate, made.key)
            self.ca_file = str(made.authority)
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready.set)), name="smtp")
        self._thread.start()
        assert ready.wait(10), "the SMTP server did not start"

    def stop(self) -> None:
        """Closes the port and every connection; harmless when it does not run."""
        thread, self._thread = self._thread, None
        if thread is not None and self._loop is not None and self._ended is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join(10)

    async def _serve(self, ready: Callable[[], None]) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        tls = self.tls if self.security is SmtpSecurity.TLS else None
        server = await self._loop.create_server(lambda: Conversation(self), HOST, self.port, ssl=tls)
        ready()
        await self._ended.wait()
        server.close()
        for conversation in tuple(self.open):
            conversation.drop()
        await server.wait_closed()

    def wait_for(self, count: int, timeout_s: float = 10.0) -> list[Kept]:
        """The messages, once there are so many."""
        deadline = time.monotonic() + timeout_s
        while len(self.messages) < count:
            assert time.monotonic() < deadline, f"{len(self.messages)} of {count} messages came"
            time.sleep(0.01)
        return list(self.messages)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._folder is not None:
            self._folder.cleanup()


class Conversation(SMTP):
    """One connection, with the faults of its server."""

    def __init__(self, server: SmtpServer) -> None:
        self._owner = server
        super().__init__(
            self,
            hostname="mail.example.org",
            enable_SMTPUTF8=server.smtputf8,
            data_size_limit=server.largest_bytes,
            tls_context=server.tls if server.security is SmtpSecurity.STARTTLS else None,
            require_starttls=server.security is SmtpSecurity.STARTTLS,
            authenticator=self._judge,
            auth_required=bool(server.user),
        )
        # it knows of TLS by STARTTLS alone
        self._auth_require_tls = server.security is SmtpSecurity.STARTTLS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._owner.connections += 1
        self._owner.open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.open.discard(self)
        super().connection_lost(error)

    def drop(self) -> None:
        """Closes without a word."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    async def _handle_client(self) -> None:
        if not await self._goes_wrong(Stage.CONNECT):
            await super()._handle_client()

    async def smtp_EHLO(self, hostname: str) -> None:
        if not await self._goes_wrong(Stage.EHLO):
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg: str) -> None:
        if not await self._goes_wrong(Stage.AUTH):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        if not await self._goes_wrong(Stage.MAIL):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:
        if not await self._goes_wrong(Stage.RCPT):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:
        await asyncio.sleep(self._owner.delay_s)
        while self._owner.paused:
            await asyncio.sleep(0.01)
        if await self._goes_wrong(Stage.DATA):
            return
        how = self._owner.fault(Stage.BODY)
        if how is not None:
            await self.push("354 go on")
            await self._reader.readline()
            await self._go_wrong(how)
            return
        await super().smtp_DATA(arg)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        how = self._owner.fault(Stage.DOT)
        if how is not None:
            return await self._go_wrong_after_the_dot(how)
        assert isinstance(envelope.content, bytes)
        self._owner.messages.append(
            Kept(str(envelope.mail_from), envelope.rcpt_tos[0], envelope.content, time.monotonic())
        )
        how = self._owner.fault(Stage.ANSWER)
        return "250 taken" if how is None else await self._go_wrong_after_the_dot(how)

    async def _go_wrong_after_the_dot(self, how: str) -> str:
        if how in (DROP, SILENCE):
            await self._go_wrong(how)
            return "421 gone"
        return how

    async def _goes_wrong(self, stage: Stage) -> bool:
        how = self._owner.fault(stage)
        if how is not None:
            await self._go_wrong(how)
        return how is not None

    async def _go_wrong(self, how: str) -> None:
        if how == SILENCE:
            await asyncio.sleep(FOR_EVER_S)
        elif how == DROP:
            self.drop()
        else:
            await self.push(how)

    def _judge(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        good = (self._owner.user.encode(), self._owner.password.encode()) == (data.login, data.password)
        self._owner.logins += good
        return AuthResult(success=good, handled=good)
