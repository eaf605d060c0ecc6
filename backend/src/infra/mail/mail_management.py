"""MailManagement: the way out for mail, one conversation with the server at a time."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from aiosmtplib import SMTP

from backend.src.config.settings import MailSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Invalid, StartFailed, Unavailable
from backend.src.core.final_singleton import FinalSingleton
from backend.src.infra.mail import conversation
from backend.src.infra.mail.conversation import LineLost
from backend.src.infra.mail.mail import parse_address
from backend.src.infra.mail.refusals import MailDeferred, MailRefused

log = logging.getLogger(__name__)

FRESH_S = 120.0  # so long is it believed how the server was; a readiness probe must not become a login every second
SEND_LIMIT = 30  # times timeout_s: longer than a whole conversation may take that never exceeds a single time limit


class MailManagement(metaclass=FinalSingleton):
    """Keeps its connection from one `send` to the next, until `hang_up`."""

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._tls: ssl.SSLContext | None = None
        self._client: SMTP | None = None
        self._one_at_a_time = asyncio.Lock()
        self._seen_at: float | None = None
        self._trouble: Unavailable | None = None

    @property
    def configured(self) -> bool:
        """Whether mail can be sent at all."""
        return self._settings.configured

    @property
    def limit_s(self) -> float:
        """A `send` has ended after so many seconds, however it ends."""
        return self._settings.timeout_s * SEND_LIMIT

    async def start(self) -> None:
        """Connects to nothing yet: a mail server that is away stops nobody. Raises StartFailed for a bad setting."""
        if self.configured:
            _check_sender(self._settings.address)
            self._tls = await asyncio.to_thread(_tls_context, self._settings.ca_file)

    async def stop(self) -> None:
        """Leaves the server."""
        await self.hang_up()

    async def ping(self) -> None:
        """How the server was when it was last talked to; asks it when that is long ago. Raises Unavailable."""
        if not self.configured:
            return
        known = self._seen_at is not None and self._clock.monotonic() - self._seen_at < FRESH_S
        if not known and not self._one_at_a_time.locked():
            await self.probe()
        elif self._trouble is not None:
            raise Unavailable(self._trouble.message, remedy=self._trouble.remedy)

    async def probe(self) -> None:
        """Connects, logs in and leaves. Raises Unavailable."""
        async with self._one_at_a_time:
            if self._client is None:
                await conversation.hang_up(await self._connect())
                self._note(None)

    async def send(self, recipient: str, message: bytes) -> None:
        """Returns when the server has taken the message.

        Raises MailRefused, MailDeferred (this mail), Unavailable (the server is away, or the settings are wrong).
        """
        async with self._one_at_a_time:
            try:
                await self._within_limit(recipient, message)
            except (MailRefused, MailDeferred):
                self._note(None)  # the server is there
                raise
            except Unavailable as error:
                self._note(error)
                raise
            self._note(None)

    async def hang_up(self) -> None:
        """Ends the conversation; harmless without one."""
        async with self._one_at_a_time:
            client, self._client = self._client, None
            if client is not None:
                await conversation.hang_up(client)

    async def _within_limit(self, recipient: str, message: bytes) -> None:
        ended = False
        try:
            async with asyncio.timeout(self.limit_s):
                await self._send(recipient, message)
            ended = True
        except TimeoutError as exc:
            raise LineLost("the mail server takes too long") from exc
        except (MailRefused, MailDeferred):
            ended = True
            raise
        finally:
            if not ended:  # failed or cancelled: nobody knows how far the conversation is
                self._drop()

    async def _send(self, recipient: str, message: bytes) -> None:
        client = await self._addressed(recipient, len(message))
        try:
            await conversation.hand_over(client, message, self._settings.timeout_s)
        except (MailRefused, MailDeferred):
            await self._start_again(client)
            raise

    async def _addressed(self, recipient: str, size: int) -> SMTP:
        """A conversation in which the server expects the message."""
        reused, client = self._client is not None, self._client or await self._connect()
        self._client = client
        try:
            await self._address(client, recipient, size)
        except LineLost:
            if not reused:
                raise
            # servers end a conversation that was silent for long, or had many mails: that is no failure
            self._drop()
            client = self._client = await self._connect()
            await self._address(client, recipient, size)
        return client

    async def _address(self, client: SMTP, recipient: str, size: int) -> None:
        sender = parse_address(self._settings.address)
        try:
            await conversation.address(client, sender, parse_address(recipient), size)
        except (MailRefused, MailDeferred):
            await self._start_again(client)
            raise

    async def _start_again(self, client: SMTP) -> None:
        try:
            await conversation.start_again(client)
        except LineLost:
            self._drop()  # what it said about this mail stands

    async def _connect(self) -> SMTP:
        if self._tls is None:
            raise Unavailable("this server sends no mail", remedy="set SENDER_HOST and SENDER_ADDRESS")
        try:
            return await conversation.connect(self._settings, self._tls)
        except Unavailable as error:
            self._note(error)
            raise

    def _note(self, trouble: Unavailable | None) -> None:
        if trouble is not None and self._trouble is None:
            log.warning("no mail can be sent: %s", trouble.message)
        elif trouble is None and self._trouble is not None:
            log.info("mail can be sent again")
        self._trouble, self._seen_at = trouble, self._clock.monotonic()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            if isinstance(client.transport, asyncio.Transport):
                client.transport.abort()  # at once: there is nobody left to say goodbye to
            client.close()


def _check_sender(address: str) -> None:
    try:
        parse_address(address)
    except Invalid as exc:
        message = f"mail.address (SENDER_ADDRESS) = {address!r} is no e-mail address"
        remedy = "give the bare address that mail shall come from, or leave SENDER_HOST empty to send none"
        raise StartFailed(message, remedy=remedy) from exc


def _tls_context(ca_file: str) -> ssl.SSLContext:
    if not ca_file:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=Path(ca_file))
    except (OSError, ssl.SSLError) as exc:
        message = f"mail.ca_file (SENDER_CA_FILE) = {ca_file} cannot be read: {exc}"
        raise StartFailed(message, remedy="name a PEM file of the authority, or leave it empty") from exc
