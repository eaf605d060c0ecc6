"""A forgotten password: a code to the address, a new password for the code."""

from __future__ import annotations

from sqlalchemy import Connection

from backend.src.config.settings import AccountSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import NotFound
from backend.src.infra.sql import SQL
from backend.src.services.accounts import codes, lockout, session_rows, user_rows
from backend.src.services.accounts.account_mail import RESET, AccountMail
from backend.src.services.accounts.codes import Code, CodeDraft, CodeUnknown, Purpose
from backend.src.services.accounts.email_addresses import normalised_address
from backend.src.services.accounts.passwords import Passwords
from backend.src.services.accounts.registrations import HandedOut, handed_out
from backend.src.services.accounts.user_rows import User
from backend.src.services.accounts.users import TRUST


class PasswordResets:
    """For those who forgot theirs, and for those who never had one."""

    def __init__(
        self, sql: SQL, passwords: Passwords, mail: AccountMail, clock: Clock, settings: AccountSettings
    ) -> None:
        self._sql = sql
        self._passwords = passwords
        self._mail = mail
        self._clock = clock
        self._settings = settings

    async def request(self, email: str) -> None:
        """Mails a code if the address has an account; nobody but its mailbox is told. Raises Invalid, Unavailable."""
        self._mail.require()
        address, code, now = normalised_address(email), codes.new_code(), self._clock.now()
        link, lifetime_s = self._mail.link(RESET, code), self._settings.reset_s

        def work(connection: Connection) -> None:
            if codes.too_many_mails(connection, address, now):
                return
            user = user_rows.find_user(connection, address)
            if user is not None and user.disabled:
                user = None
            # a code for nobody, too: it is counted, and it is the same work
            draft = self._draft(address, None if user is None else user.id, lifetime_s)
            codes.insert_code(connection, code, draft, now)
            letter = self._mail.letters.reset(address, "" if user is None else user.name, link, lifetime_s)
            (self._mail.put if user is not None else self._mail.pretend)(connection, letter)

        await self._sql.write(work)
        self._mail.wake()

    async def send(self, user_id: int, *, by: str) -> HandedOut:
        """For an administrator: mails a code, or hands it out where no mail leaves. Raises UserNotFound."""
        code, now = codes.new_code(), self._clock.now()
        link = self._mail.link(RESET, code)
        user = await self._sql.read(lambda connection: user_rows.get_user(connection, user_id))
        # whoever has no password yet was invited by it: they may be on leave
        lifetime_s = self._settings.reset_s if user.has_password else self._settings.invitation_s
        letter = self._mail.letters.reset(user.email, user.name, link, lifetime_s)
        draft = self._draft(user.email, user_id, lifetime_s, by)

        def work(connection: Connection) -> Code:
            user_rows.get_user(connection, user_id)
            self._mail.put(connection, letter)
            return codes.insert_code(connection, code, draft, now)

        made = await self._sql.write(work)
        self._mail.wake()
        return handed_out(self._mail, made, code, link)

    async def reset(self, code: str, new_password: str, *, address: str | None = None) -> User:
        """Uses a code: the password is another, every session ends. Raises CodeUnknown, CodeUsed, Invalid, TooMany."""
        now = self._clock.now()
        user = await self._sql.read(lambda connection: self._whose(connection, code)[1])
        await self._passwords.validate(new_password, (user.email, user.name), field="newPassword")
        password_hash = await self._passwords.hash(new_password)
        notice = self._mail.letters.password_changed(user.email, user.name, now, address)

        def work(connection: Connection) -> User:
            found, still = self._whose(connection, code)
            codes.use_code(connection, found, now)
            codes.withdraw_codes(connection, still.id)
            session_rows.revoke_all(connection, still.id, "password", now)
            lockout.forget_failures(connection, still.email)
            self._mail.put(connection, notice)
            changed = {"password_hash": password_hash, "password_changed_at": now}
            return user_rows.change_user(connection, still.id, now, **changed)

        changed = await self._sql.write(work, touches=TRUST)
        self._mail.wake()
        return changed

    def _whose(self, connection: Connection, code: str) -> tuple[Code, User]:
        """Raises CodeUnknown for the code of somebody who is gone, too."""
        found = codes.find_code(connection, code, (Purpose.RESET,), self._clock.now())
        if found.user_id is None:
            raise CodeUnknown
        try:
            user = user_rows.get_user(connection, found.user_id)
        except NotFound as exc:
            raise CodeUnknown from exc
        if user.disabled:
            raise CodeUnknown
        return found, user

    def _draft(self, address: str, user_id: int | None, lifetime_s: float, by: str | None = None) -> CodeDraft:
        return CodeDraft(
            purpose=Purpose.RESET, lifetime_s=lifetime_s, user_id=user_id, email=address, created_by=by
        )  # fmt: skip
