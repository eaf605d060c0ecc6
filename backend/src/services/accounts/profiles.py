"""What people change about themselves. Password, address and deletion need the password once more.

Whoever has none, because they come by a provider alone, deletes their account by its address, in a session that may all
that they may: a token for a program that only reads is no reason to lose it.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection

from backend.src.config.settings import AccountSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Conflict, Forbidden, TooMany
from backend.src.infra.sql import SQL
from backend.src.services.accounts import codes, session_rows, user_rows
from backend.src.services.accounts.account_mail import VERIFY, AccountMail
from backend.src.services.accounts.codes import CodeDraft, CodeUnknown, Purpose
from backend.src.services.accounts.email_addresses import login_name, normalised_address
from backend.src.services.accounts.lockout import LockedOut
from backend.src.services.accounts.passwords import Passwords
from backend.src.services.accounts.principal import Scope
from backend.src.services.accounts.user_rows import User
from backend.src.services.accounts.users import TRUST, Users, delete_user


class WrongPassword(Forbidden):
    """They are logged in, but cannot prove once more who they are."""

    def __init__(self) -> None:
        super().__init__("the password is wrong")


class Profiles:
    """One's own account."""

    def __init__(
        self,
        sql: SQL,
        users: Users,
        passwords: Passwords,
        mail: AccountMail,
        clock: Clock,
        settings: AccountSettings,
    ) -> None:
        self._sql = sql
        self._users = users
        self._passwords = passwords
        self._mail = mail
        self._clock = clock
        self._settings = settings

    async def rename(self, user_id: int, name: str) -> User:
        """Raises UserNotFound."""
        return await self._users.update(user_id, name=name)

    async def change_password(
        self, user_id: int, password: str, new_password: str, *, session: str | None, address: str | None = None
    ) -> User:
        """Ends every session but this one. Raises WrongPassword, Conflict without a password, Invalid, TooMany."""
        user = await self._users.get(user_id)
        proof = await self._prove(user, password)
        await self._passwords.validate(new_password, (user.email, user.name), field="newPassword")
        password_hash, now = await self._passwords.hash(new_password), self._clock.now()
        notice = self._mail.letters.password_changed(user.email, user.name, now, address)

        def work(connection: Connection) -> User:
            _refuse_outdated(connection, user_id, proof)
            session_rows.revoke_all(connection, user_id, "password", now, keep=session)
            codes.withdraw_codes(connection, user_id)
            self._mail.put(connection, notice)
            changed = {"password_hash": password_hash, "password_changed_at": now}
            return user_rows.change_user(connection, user_id, now, **changed)

        changed = await self._sql.write(work, touches=TRUST)
        self._mail.wake()
        return changed

    async def request_address(self, user_id: int, password: str, new_email: str) -> None:
        """Mails a code to the new address; where that is another's, says so there. Raises WrongPassword, Invalid,
        Conflict without a password, TooMany, Unavailable without mail."""
        self._mail.require()
        address, user = normalised_address(new_email, field="newEmail"), await self._users.get(user_id)
        proof = await self._prove(user, password)
        code, now, lifetime_s = codes.new_code(), self._clock.now(), self._settings.verification_s
        link = self._mail.link(VERIFY, code)
        draft = CodeDraft(purpose=Purpose.ADDRESS, lifetime_s=lifetime_s, user_id=user_id, email=address)

        def work(connection: Connection) -> None:
            _refuse_outdated(connection, user_id, proof)
            if codes.too_many_mails(connection, address, now):
                return
            owner = user_rows.find_user(connection, address)
            if owner is not None:
                self._mail.tell_owner(connection, owner, code, now, self._settings.reset_s)
                return
            codes.insert_code(connection, code, draft, now)
            self._mail.put(connection, self._mail.letters.change_address(address, user.name, link, lifetime_s))

        await self._sql.write(work)
        self._mail.wake()

    async def confirm_address(self, code: str) -> User:
        """Uses the mailed code: the address is another. Raises CodeUnknown, CodeUsed, AddressTaken."""
        now = self._clock.now()
        found = await self._sql.read(lambda c: codes.find_code(c, code, (Purpose.ADDRESS,), now))
        before = await self._owner(found.user_id)
        notice = self._mail.letters.address_changed(before.email, before.name, found.email or "")

        def work(connection: Connection) -> User:
            still = codes.find_code(connection, code, (Purpose.ADDRESS,), now)
            codes.use_code(connection, still, now)
            # what was mailed to the old address, or to others that were asked for, does nothing any more
            codes.withdraw_codes(connection, before.id)
            self._mail.put(connection, notice)
            return user_rows.change_user(connection, before.id, now, email=still.email, verified_at=now)

        changed = await self._sql.write(work, touches=user_rows.TABLES)
        self._mail.wake()
        return changed

    async def delete(
        self, user_id: int, password: str | None, *, email: str | None = None, scopes: Collection[Scope] = ()
    ) -> User:
        """For good. `email` and the session's scopes count for an account without a password.

        Raises WrongPassword, Forbidden, LastAdministrator, TooMany.
        """
        user, proof = await self._users.get(user_id), None
        if user.has_password:
            proof = await self._prove(user, password or "")
        else:
            _refuse_unmeant(user, email, scopes)
        now, notice = self._clock.now(), self._mail.letters.account_deleted(user.email, user.name)

        def work(connection: Connection) -> User:
            if proof is not None:
                _refuse_outdated(connection, user_id, proof)
            self._mail.put(connection, notice)
            return delete_user(connection, user_id, now)

        deleted = await self._sql.write(work, touches=TRUST)
        self._mail.wake()
        return deleted

    async def _owner(self, user_id: int | None) -> User:
        if user_id is None:
            raise CodeUnknown
        return await self._users.get(user_id)

    async def _prove(self, user: User, password: str) -> str:
        if not user.has_password:
            raise Conflict(
                "this account has no password", remedy="have one sent to you: POST /v1/users/password/forgot"
            )
        try:
            proof = await self._users.prove(user, password)
        except LockedOut as exc:  # they are known: 401 would tell their client to log in anew
            raise TooMany(exc.message, remedy=exc.remedy, retry_after_s=exc.retry_after_s) from exc
        if proof is None:
            raise WrongPassword
        return proof


def _refuse_unmeant(user: User, email: str | None, scopes: Collection[Scope]) -> None:
    if not user.role.scopes.issubset(scopes):
        raise Forbidden("this session may less than you", remedy="log in without naming scopes, and delete it then")
    if email is None or login_name(email) != user.email:
        raise Forbidden("the address is not the one of this account", remedy="name it as `email`, for you mean it")


def _refuse_outdated(connection: Connection, user_id: int, proof: str) -> None:
    if not user_rows.still_proven(connection, user_id, proof):
        raise WrongPassword
