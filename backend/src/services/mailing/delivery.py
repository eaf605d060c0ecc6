"""Delivery: claims mail, hands it to the server, writes down what came of it.

A mail is claimed by one process (`sending`) in a commit of its own, sent, and noted as `sent` right after the
server's 250. A process that dies in between leaves `sending`, which another takes over; it cannot know whether the
server had the mail, so it sends it again, with the same Message-ID. How a mail can arrive twice is listed in
docs/adr/0017-outbox.md; there is no way for it to get lost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from enum import Enum

from sqlalchemy import Connection

from backend.src.core.clock import Clock
from backend.src.core.errors import LarderError, Unavailable
from backend.src.core.seal import Seal
from backend.src.infra.mail import MailDeferred, MailManagement, MailRefused
from backend.src.infra.sql import SQL
from backend.src.services.jobs.silence import Silence
from backend.src.services.jobs.worker_identity import WorkerIdentity
from backend.src.services.mailing import outbox_rows
from backend.src.services.mailing.back_off import REFUSED_FOR_NOW, SERVER_AWAY, BackOff
from backend.src.services.mailing.outbox_rows import Claimed
from backend.src.services.mailing.queued_mail import DeliveryReport

log = logging.getLogger(__name__)

NOTE_AGAIN_S = 0.5  # between two tries to write down what happened, while the database is away
DEAD_MARGIN_S = 30.0


class Ending(Enum):
    """How an attempt ended."""

    SENT = "sent"
    PUT_OFF = "put_off"
    FAILED = "failed"
    AWAY = "away"  # put off, and no other mail would fare better now


class Delivery:
    """One process's part in delivering; any number of processes may have one."""

    def __init__(self, sql: SQL, mail: MailManagement, clock: Clock, seal: Seal) -> None:
        self._sql = sql
        self._mail = mail
        self._clock = clock
        self._seal = seal
        identity = WorkerIdentity.own()
        self._worker = str(identity)
        alone = sql.dialect == "sqlite"  # its folder is locked by the one server that uses it
        dead_after_s = mail.limit_s + DEAD_MARGIN_S
        self._silence = Silence(clock, identity, dead_after_s=dead_after_s, alone=alone)
        self._one_round = asyncio.Lock()
        self._under_way: set[asyncio.Future[Ending | None]] = set()
        self._stopping = False

    @property
    def stopping(self) -> bool:
        """Whether no further mail is begun."""
        return self._stopping

    def begin(self) -> None:
        """Rounds may begin."""
        self._stopping = False

    async def end(self) -> None:
        """The mail under way is sent to its end; cancelled, this cuts it off, which could mean a second copy."""
        self._stopping = True
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def round(self) -> DeliveryReport:
        """Sends what is due, one after the other over one connection, until none is or the server is away.

        Raises Unavailable (database).
        """
        async with self._one_round:
            await self._take_over_from_dead()
            try:
                return await self._send_what_is_due()
            finally:
                await self._mail.hang_up()

    async def _send_what_is_due(self) -> DeliveryReport:
        report = DeliveryReport()
        while not self._stopping and (ending := await self._to_the_end(self._send_next())) is not None:
            report = _with(report, ending)
            if ending is Ending.AWAY:
                break
        return report

    async def _take_over_from_dead(self) -> None:
        in_hand = await self._sql.read(outbox_rows.sending)
        self._silence.watch([str(mail_id) for mail_id, _, _ in in_hand])
        for mail_id, worker, claimed_at in in_hand:
            if self._silence.is_dead(str(mail_id), worker, claimed_at):
                await self._release(mail_id, worker, claimed_at)

    async def _release(self, mail_id: int, worker: str, claimed_at: datetime) -> None:
        now = self._clock.now()
        if await self._sql.write(lambda connection: outbox_rows.release(connection, mail_id, worker, claimed_at, now)):
            log.warning("mail %s is sent again: %s died before it could note whether it was taken", mail_id, worker)

    async def _send_next(self) -> Ending | None:
        """None when nothing is due. One piece: what is claimed and not delivered waits until the claim is too old."""
        now = self._clock.now()
        claimed = await self._sql.write(lambda connection: outbox_rows.claim_next(connection, self._worker, now))
        return None if claimed is None else await self._deliver(claimed)

    async def _deliver(self, claimed: Claimed) -> Ending:
        try:
            message = self._seal.open(claimed.message)
        except Unavailable as error:  # sealed under another SECRET_KEY: the mail server has no part in that
            return await self._put_off(claimed, REFUSED_FOR_NOW, error, Ending.PUT_OFF)
        try:
            await self._mail.send(claimed.recipient, message)
        except MailRefused as error:
            return await self._fail(claimed, error.message)
        except MailDeferred as error:
            return await self._put_off(claimed, REFUSED_FOR_NOW, error, Ending.PUT_OFF)
        except Unavailable as error:
            return await self._put_off(claimed, SERVER_AWAY, error, Ending.AWAY)
        now = self._clock.now()
        await self._note(lambda connection: outbox_rows.note_sent(connection, claimed.id, self._worker, now))
        return Ending.SENT

    async def _put_off(self, claimed: Claimed, back_off: BackOff, error: LarderError, ending: Ending) -> Ending:
        until = self._clock.now() + back_off.after(claimed.attempts)
        if until > claimed.give_up_at:
            await self._fail(claimed, f"given up after {claimed.attempts} attempts; the last: {error.message}")
            return ending if ending is Ending.AWAY else Ending.FAILED
        await self._note(
            lambda connection: outbox_rows.put_off(connection, claimed.id, self._worker, until, error.message)
        )
        return ending

    async def _fail(self, claimed: Claimed, error: str) -> Ending:
        log.warning("mail %s failed: %s", claimed.id, error)
        await self._note(lambda connection: outbox_rows.note_failed(connection, claimed.id, self._worker, error))
        return Ending.FAILED

    async def _note(self, work: Callable[[Connection], bool]) -> None:
        """Writes down what happened, however long the database is away: forgotten, it would happen again."""
        while True:
            try:
                await self._sql.write(work)
                return
            except Unavailable:
                if self._stopping:
                    raise
                await asyncio.sleep(NOTE_AGAIN_S)

    async def _to_the_end(self, running: Awaitable[Ending | None]) -> Ending | None:
        task = asyncio.ensure_future(running)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)


def _with(report: DeliveryReport, ending: Ending) -> DeliveryReport:
    match ending:
        case Ending.SENT:
            return replace(report, sent=report.sent + 1)
        case Ending.FAILED:
            return replace(report, failed=report.failed + 1)
        case Ending.PUT_OFF | Ending.AWAY:
            return replace(report, put_off=report.put_off + 1)
