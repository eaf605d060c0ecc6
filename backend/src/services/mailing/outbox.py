"""Outbox: mail is written down in the transaction of what it tells of, and delivered until a server has taken it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection

from backend.src.config.settings import MailSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import TooLarge, Unavailable
from backend.src.core.seal import Seal
from backend.src.core.supervisor import Supervisor
from backend.src.infra.mail import Mail, MailManagement, compose
from backend.src.infra.sql import SQL
from backend.src.services.mailing import outbox_rows
from backend.src.services.mailing.delivery import Delivery
from backend.src.services.mailing.queued_mail import DeliveryReport, MailStatus, QueuedMail

log = logging.getLogger(__name__)

LOOP = "outbox"
LOOK_EVERY_S = 60.0  # at the mail server, when there is nothing to deliver: health tells what it finds
LARGEST_BYTES = 10 * 1024 * 1024  # sealed, it is a third larger, and has to fit max_allowed_packet of 16 MB


class Outbox:
    """The mail that waits. Any number of processes may deliver from one database."""

    def __init__(
        self,
        sql: SQL,
        mail: MailManagement,
        clock: Clock,
        supervisor: Supervisor,
        seal: Seal,
        settings: MailSettings,
    ) -> None:
        self._sql = sql
        self._mail = mail
        self._clock = clock
        self._supervisor = supervisor
        self._seal = seal
        self._settings = settings
        self._delivery = Delivery(sql, mail, clock, seal)
        self._woken = asyncio.Event()

    @property
    def configured(self) -> bool:
        """Whether mail leaves at all; who offers what needs mail asks first."""
        return self._mail.configured

    async def start(self) -> None:
        """Begins to deliver, with what waited while nobody ran."""
        self._delivery.begin()
        self._woken.set()
        if self.configured:
            self._supervisor.start_loop(LOOP, self._run)

    async def stop(self) -> None:
        """The mail under way is sent to its end first."""
        await self._delivery.end()
        self._woken.set()
        await self._supervisor.stop(LOOP)

    async def ping(self) -> None:
        """Of the mail server. Raises Unavailable."""
        await self._mail.ping()

    def put(self, connection: Connection, mail: Mail) -> None:
        """Inside the caller's transaction: the mail exists exactly when that was committed. Then `wake`.

        Raises Unavailable when this server sends no mail, TooLarge.
        """
        if not self.configured:
            raise Unavailable("this server sends no mail", remedy="set SENDER_HOST and SENDER_ADDRESS")
        now, message_id = self._clock.now(), self._new_message_id()
        message = compose(mail, self._settings.address, message_id, now).as_bytes()
        if len(message) > LARGEST_BYTES:
            raise TooLarge(f"the mail has {len(message)} bytes, {LARGEST_BYTES} are the most")
        row = {
            "message_id": message_id,
            "recipient": mail.to,
            "subject": mail.subject,
            "message": self._seal.seal(message),
            "created_at": now,
            "next_attempt_at": now,
            "give_up_at": self._give_up_at(now),
        }
        outbox_rows.insert_mail(connection, row)

    def wake(self) -> None:
        """After the commit: deliver soon, not only when the cron comes by."""
        self._woken.set()

    async def mails(
        self, *, status: MailStatus | None, recipient: str | None, before: int | None, limit: int
    ) -> list[QueuedMail]:
        """Newest first, those before the one with this id."""
        return await self._sql.read(
            lambda connection: outbox_rows.list_mail(
                connection, status=status, recipient=recipient, before=before, limit=limit
            )
        )

    async def mail(self, mail_id: int) -> QueuedMail:
        """Raises MailNotFound."""
        return await self._sql.read(lambda connection: outbox_rows.get_mail(connection, mail_id))

    async def retry(self, mail_id: int) -> QueuedMail:
        """A failed or waiting mail is tried at once, and for another keep_trying_s. Raises MailNotFound, Conflict."""
        now = self._clock.now()
        mail = await self._sql.write(
            lambda connection: outbox_rows.retry(connection, mail_id, now, self._give_up_at(now))
        )
        self.wake()
        return mail

    async def deliver_once(self) -> DeliveryReport:
        """Sends what is due (delivery.py); nothing where no mail leaves. Raises Unavailable (database)."""
        return await self._delivery.round() if self.configured else DeliveryReport()

    async def _run(self) -> None:
        while not self._delivery.stopping:  # not by cancelling alone: libraries below swallow one in a bad moment
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._woken.wait()
            except TimeoutError:
                await self._look()
                continue
            self._woken.clear()
            await self.deliver_once()

    async def _look(self) -> None:
        try:
            await self._mail.probe()
        except Unavailable as error:
            log.debug("%s", error.message)  # it was logged when it began, and health tells it

    def _give_up_at(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self._settings.keep_trying_s)

    def _new_message_id(self) -> str:
        return f"<{secrets.token_hex(16)}@{self._settings.address.rpartition('@')[2]}>"
