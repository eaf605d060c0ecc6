"""The services of people over one database, and what they mailed. Nothing is delivered: it is read in the outbox."""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from sqlalchemy import select

from backend.src.config.settings import AccountSettings, MailSettings
from backend.src.core.seal import Seal
from backend.src.core.supervisor import Supervisor
from backend.src.infra.mail import MailManagement
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import outbox as outbox_table
from backend.src.services.accounts.account_mail import AccountMail
from backend.src.services.accounts.password_resets import PasswordResets
from backend.src.services.accounts.passwords import Passwords
from backend.src.services.accounts.principal import Role
from backend.src.services.accounts.profiles import Profiles
from backend.src.services.accounts.registrations import Registrations
from backend.src.services.accounts.user_rows import User, find_user
from backend.src.services.accounts.users import UserDraft, Users
from backend.src.services.accounts.verification import Verification
from backend.src.services.mailing import Letters, Outbox
from tests.manual_clock import ManualClock

URL = "https://larder.lab.example"
PASSWORD = "plum hatch orbit vellum"
OTHER_PASSWORD = "copper lantern fjord seven"
SETTINGS = AccountSettings(bcrypt_rounds=4, registration="open")

_code = re.compile(r"code=([A-Za-z0-9_-]+)")


class People:
    """Start it; `with_mail` says whether this server sends any."""

    def __init__(self, sql: SQL, clock: ManualClock, *, with_mail: bool = True, **settings: Any) -> None:
        self.sql, self.clock = sql, clock
        self.settings = replace(SETTINGS, **settings)
        sender = MailSettings(host="mail.invalid" if with_mail else "", address="larder@lab.example")
        self._seal = Seal("s" * 32, "outbox")
        management = MailManagement.build(sender, clock)
        outbox = Outbox(sql, management, clock, Supervisor(), self._seal, sender)
        self.mail = mail = AccountMail(outbox, Letters(URL), URL)
        self.passwords: Passwords = Passwords.build(self.settings)
        self.users = Users(sql, self.passwords, mail, clock, self.settings)
        self.registrations = Registrations(sql, self.passwords, mail, clock, self.settings)
        self.resets = PasswordResets(sql, self.passwords, mail, clock, self.settings)
        self.profiles = Profiles(sql, self.users, self.passwords, mail, clock, self.settings)
        self.verification = Verification(self.registrations, self.profiles)

    async def start(self) -> None:
        await self.passwords.start()
        await self.users.start()

    async def stop(self) -> None:
        await self.passwords.stop()

    async def make(self, name: str, role: Role = Role.VIEWER, password: str | None = PASSWORD) -> User:
        """Somebody, as NAME@lab.example."""
        return await self.users.create(UserDraft(f"{name}@lab.example", name, role, password), by="test")

    async def find(self, email: str) -> User | None:
        """Who has this address, in its one spelling."""
        return await self.sql.read(lambda connection: find_user(connection, email))

    async def mails(self, to: str | None = None) -> list[EmailMessage]:
        """What was mailed, oldest first."""
        sealed = await self.sql.read(
            lambda c: list(c.scalars(select(outbox_table.c.message).order_by(outbox_table.c.id)))
        )
        messages = [message_from_bytes(self._seal.open(one), policy=policy.default) for one in sealed]
        return [message for message in messages if to is None or message["To"] == to]

    async def code_to(self, address: str) -> str:
        """The code in the last mail to this address that has one."""
        code = await self.last_code(address)
        assert code is not None, f"no code was mailed to {address}"
        return code

    async def last_code(self, address: str) -> str | None:
        """The same, None when there is none."""
        for message in reversed(await self.mails(address)):
            body = message.get_body(("plain",))
            assert body is not None
            found = _code.search(body.get_content())
            if found:
                return found[1]
        return None
