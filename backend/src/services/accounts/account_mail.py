"""The mail of accounts: put into the outbox in the transaction of what it tells of, with links to our pages."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import Connection

from backend.src.core.errors import Unavailable
from backend.src.infra.mail import Mail
from backend.src.services.accounts import codes
from backend.src.services.accounts.codes import CodeDraft, Purpose
from backend.src.services.accounts.user_rows import User
from backend.src.services.mailing import Letters, Outbox

VERIFY, RESET, ACCEPT = "/account/verify", "/account/reset", "/account/accept"


class AccountMail:
    """What is said to whom. `base_url` is where people reach this server: never what a request calls it."""

    def __init__(self, outbox: Outbox, letters: Letters, base_url: str) -> None:
        self._outbox = outbox
        self.letters = letters
        self._base_url = base_url.rstrip("/")

    @property
    def configured(self) -> bool:
        """Whether mail leaves at all."""
        return self._outbox.configured

    def require(self) -> None:
        """Raises Unavailable where no mail leaves: what follows would wait for one."""
        if not self.configured:
            raise Unavailable(
                "this server sends no mail",
                remedy="ask an administrator: they can set SENDER_HOST, or hand out a code themselves",
            )

    def link(self, page: str, code: str) -> str:
        """Where a code is used."""
        return f"{self._base_url}{page}?{urlencode({'code': code})}"

    def put(self, connection: Connection, mail: Mail) -> None:
        """It leaves when the caller's transaction was committed; nothing where no mail leaves."""
        if self.configured:
            self._outbox.put(connection, mail)

    def pretend(self, connection: Connection, mail: Mail) -> None:
        """The work of `put`, and no mail: whoever asks cannot tell by the time that there is nobody to write to."""
        taken_back = connection.begin_nested()
        self.put(connection, mail)
        taken_back.rollback()

    def tell_owner(self, connection: Connection, user: User, code: str, now: datetime, lifetime_s: float) -> None:
        """Somebody used the address of a user as their own: its mailbox is told, with a way to a new password."""
        draft = CodeDraft(purpose=Purpose.RESET, lifetime_s=lifetime_s, user_id=user.id, email=user.email)
        codes.insert_code(connection, code, draft, now)
        self.put(connection, self.letters.already_registered(user.email, user.name, self.link(RESET, code)))

    def wake(self) -> None:
        """After the commit: deliver soon."""
        if self.configured:
            self._outbox.wake()
