"""How somebody becomes a user: by registering, or by an invitation.

A registration makes no account. Name, the password's hash and the address are kept with the mailed code, and become
an account when that code is used: so nobody can occupy an address that they do not read, and a registration under
another's address changes nothing for the other. Whether an address has an account already is told to its mailbox
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from backend.src.config.settings import AccountSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Forbidden, NotFound
from backend.src.infra.sql import SQL
from backend.src.services.accounts import codes, user_rows
from backend.src.services.accounts.account_mail import ACCEPT, VERIFY, AccountMail
from backend.src.services.accounts.codes import Code, CodeDraft, Purpose
from backend.src.services.accounts.email_addresses import normalised_address
from backend.src.services.accounts.passwords import Passwords
from backend.src.services.accounts.principal import Role
from backend.src.services.accounts.user_rows import AddressTaken, User

OPEN, CLOSED = "open", "closed"


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A code just made: mailed, or, where no mail leaves, for whoever asked to hand out. It is shown this once."""

    email: str
    expires_at: datetime
    mailed: bool
    code: str | None
    link: str | None


class Registrations:
    """From an address to an account."""

    def __init__(
        self, sql: SQL, passwords: Passwords, mail: AccountMail, clock: Clock, settings: AccountSettings
    ) -> None:
        self._sql = sql
        self._passwords = passwords
        self._mail = mail
        self._clock = clock
        self._settings = settings

    async def register(self, email: str, name: str, password: str) -> None:
        """Mails a code to the address; or, where it has an account, that it has. The same work either way.

        Raises Forbidden when registration is not open, Invalid, TooMany, Unavailable without mail.
        """
        self._must_be_open()
        self._mail.require()
        address = normalised_address(email)
        await self._passwords.validate(password, (address, name))
        password_hash, code, now = await self._passwords.hash(password), codes.new_code(), self._clock.now()
        draft = CodeDraft(
            purpose=Purpose.REGISTRATION,
            lifetime_s=self._settings.verification_s,
            email=address,
            role=Role.VIEWER,
            name=name,
            password_hash=password_hash,
        )

        def work(connection: Connection) -> None:
            if codes.too_many_mails(connection, address, now):
                return
            user = user_rows.find_user(connection, address)
            if user is not None:
                self._mail.tell_owner(connection, user, code, now, self._settings.reset_s)
                return
            codes.insert_code(connection, code, draft, now)
            link = self._mail.link(VERIFY, code)
            self._mail.put(connection, self._mail.letters.verification(address, name, link, draft.lifetime_s))

        await self._sql.write(work)
        self._mail.wake()

    async def verify(self, code: str) -> User:
        """Uses a mailed code: the account is made. Raises CodeUnknown, CodeUsed, AddressTaken, Forbidden."""
        now = self._clock.now()

        def work(connection: Connection) -> User:
            found = codes.find_code(connection, code, (Purpose.REGISTRATION,), now)
            self._must_be_open()
            return _become(connection, found, found.name, found.password_hash, now)

        return await self._sql.write(work, touches=user_rows.TABLES)

    async def invite(self, email: str, role: Role, *, by: str) -> HandedOut:
        """Mails an invitation, or hands it out where no mail leaves; it replaces one that was made before.

        Raises Invalid, AddressTaken, Forbidden when registration is closed.
        """
        self._must_not_be_closed()
        address, code, now = normalised_address(email), codes.new_code(), self._clock.now()
        link = self._mail.link(ACCEPT, code)
        letter = self._mail.letters.invitation(address, by, role.value, link, self._settings.invitation_s)
        draft = CodeDraft(
            purpose=Purpose.INVITATION,
            lifetime_s=self._settings.invitation_s,
            email=address,
            role=role,
            created_by=by,
        )

        def work(connection: Connection) -> Code:
            if user_rows.find_user(connection, address) is not None:
                raise AddressTaken(address)
            codes.withdraw_codes_to(connection, address, (Purpose.INVITATION,))
            self._mail.put(connection, letter)
            return codes.insert_code(connection, code, draft, now)

        made = await self._sql.write(work)
        self._mail.wake()
        return handed_out(self._mail, made, code, link)

    async def accept(self, code: str, name: str, password: str) -> User:
        """Uses an invitation: the account is made.

        Raises CodeUnknown, CodeUsed, AddressTaken, Invalid, TooMany, Forbidden when registration is closed.
        """
        self._must_not_be_closed()
        now = self._clock.now()
        found = await self._sql.read(lambda c: codes.find_code(c, code, (Purpose.INVITATION,), now))
        await self._passwords.validate(password, (found.email or "", name))
        password_hash = await self._passwords.hash(password)

        def work(connection: Connection) -> User:
            still = codes.find_code(connection, code, (Purpose.INVITATION,), now)
            return _become(connection, still, name, password_hash, now)

        return await self._sql.write(work, touches=user_rows.TABLES)

    async def invitations(self) -> list[Code]:
        """Those that can still be used, newest first."""
        now = self._clock.now()
        return await self._sql.read(lambda connection: codes.open_invitations(connection, now))

    async def withdraw(self, invitation_id: str) -> None:
        """Raises NotFound."""
        now = self._clock.now()
        if not await self._sql.write(lambda connection: codes.withdraw_invitation(connection, invitation_id, now)):
            raise NotFound(f"invitation {invitation_id} not found: used, expired or withdrawn")

    def _must_not_be_closed(self) -> None:
        if self._settings.registration == CLOSED:
            raise Forbidden(
                "nobody can be invited: registration is closed", remedy="an administrator can make the user"
            )

    def _must_be_open(self) -> None:
        if self._settings.registration != OPEN:
            raise Forbidden(
                "nobody can register here by themselves",
                remedy="ask an administrator to invite you; REGISTRATION=open would let everybody in as a viewer",
            )


def handed_out(mail: AccountMail, made: Code, code: str, link: str) -> HandedOut:
    """What whoever asked for the code is told of it: a mailed one is between the server and the mailbox."""
    shown = not mail.configured
    return HandedOut(
        made.email or "", made.expires_at, mail.configured, code if shown else None, link if shown else None
    )


def _become(connection: Connection, code: Code, name: str | None, password_hash: str | None, now: datetime) -> User:
    codes.use_code(connection, code, now)
    assert code.email is not None and code.role is not None and name is not None
    return user_rows.insert_user(
        connection,
        email=code.email,
        name=name,
        role=code.role,
        password_hash=password_hash,
        created_by=code.created_by,
        now=now,
    )
