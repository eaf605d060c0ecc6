"""People, as the login and administrators see them.

What they do themselves is in registrations.py, password_resets.py and profiles.py.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from backend.src.config.settings import AccountSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Conflict, Invalid, StartFailed, TooMany, Unauthenticated
from backend.src.infra.sql import SQL
from backend.src.services.accounts import codes, lockout, session_rows, user_rows
from backend.src.services.accounts.account_mail import AccountMail
from backend.src.services.accounts.email_addresses import login_name, normalised_address
from backend.src.services.accounts.lockout import Attempt, LockedOut
from backend.src.services.accounts.passwords import Passwords
from backend.src.services.accounts.principal import Role
from backend.src.services.accounts.user_rows import User
from backend.src.services.audit import AuditEntry, audit_rows

log = logging.getLogger(__name__)

# whatever ends trust in a person ends their sessions in the same transaction
TRUST = (*user_rows.TABLES, *session_rows.TABLES)
FIRST_NAME = "First administrator"
BY_CONFIGURATION = "ADMIN_EMAIL"
NOBODY = "nobody@localhost"


@dataclass(frozen=True, slots=True)
class UserDraft:
    """Somebody to be made; without a password they set one by a code."""

    email: str
    name: str
    role: Role
    password: str | None = None


class Users:
    """Who there is, and whether it is them."""

    def __init__(
        self, sql: SQL, passwords: Passwords, mail: AccountMail, clock: Clock, settings: AccountSettings
    ) -> None:
        self._sql = sql
        self._passwords = passwords
        self._mail = mail
        self._clock = clock
        self._settings = settings

    async def start(self) -> None:
        """Makes the first administrator that the settings name. Raises StartFailed for a password of no worth."""
        settings = self._settings
        if settings.admin_email and not await self._sql.read(user_rows.has_administrator):
            await self._make_first(settings.admin_email, settings.admin_password.reveal())

    async def stop(self) -> None:
        """Nothing is open."""

    async def ping(self) -> None:
        """Nothing of its own can fail: SQL answers for itself."""

    async def authenticate(self, email: str, password: str) -> User:
        """Who this is. Raises Unauthenticated, the same after the same time whatever was wrong; LockedOut, TooMany."""
        name = login_name(email)
        attempt = await self._count_attempt(name)
        login = await self._sql.read(lambda connection: user_rows.find_login(connection, name))
        user, password_hash = login or (None, None)
        right = await self._check(name, password, password_hash)
        if user is None or password_hash is None or not right or user.disabled:
            await self._note_lock(attempt, name, user)
            raise _wrong()
        new_hash = await self._passwords.hash(password) if self._passwords.needs_rehash(password_hash) else None
        return await self._let_in(user, name, password_hash, new_hash)

    async def prove(self, user: User, password: str) -> str | None:
        """The hash of their password if this is it, for user_rows.still_proven; counted like a login.

        Raises LockedOut, TooMany.
        """
        attempt = await self._count_attempt(user.email)
        password_hash = await self._sql.read(lambda connection: user_rows.password_hash_of(connection, user.id))
        if not await self._check(user.email, password, password_hash):
            await self._note_lock(attempt, user.email, user)
            return None
        await self._sql.write(lambda connection: lockout.forget_failures(connection, user.email))
        return password_hash

    async def get(self, user_id: int) -> User:
        """Raises UserNotFound."""
        return await self._sql.read(lambda connection: user_rows.get_user(connection, user_id))

    async def page(self, *, part: str | None = None, after: str | None = None, limit: int = 100) -> list[User]:
        """In the order of their addresses, those after `after`; `part` of an address or a name."""
        return await self._sql.read(
            lambda connection: user_rows.list_users(connection, part=part, after=after, limit=limit)
        )

    async def create(self, draft: UserDraft, *, by: str | None, action: str | None = None) -> User:
        """Somebody whose address the administrator vouches for. Raises Invalid, AddressTaken, TooMany.

        action: for the audit trail, when no request's entry tells of it.
        """
        address = normalised_address(draft.email)
        password_hash = None
        if draft.password is not None:
            await self._passwords.validate(draft.password, (address, draft.name))
            password_hash = await self._passwords.hash(draft.password)
        now = self._clock.now()

        def insert(connection: Connection) -> User:
            user = user_rows.insert_user(
                connection,
                email=address,
                name=draft.name,
                role=draft.role,
                password_hash=password_hash,
                created_by=by,
                now=now,
            )
            if action is not None:
                audit_rows.insert_entry(connection, AuditEntry(action, target=str(user.id)), now)
            return user

        return await self._sql.write(insert, touches=user_rows.TABLES)

    async def update(self, user_id: int, *, name: str | None = None, email: str | None = None) -> User:
        """What an administrator corrects; the address is vouched for. Raises Invalid, AddressTaken, UserNotFound."""
        values: dict[str, Any] = {} if name is None else {"name": name}
        if email is not None:
            values["email"] = normalised_address(email)
        now = self._clock.now()

        def work(connection: Connection) -> User:
            if "email" in values:
                codes.withdraw_codes(connection, user_id)
            return user_rows.change_user(connection, user_id, now, **values)

        return await self._sql.write(work, touches=user_rows.TABLES)

    async def set_role(self, user_id: int, role: Role) -> User:
        """A role that allows less ends the person's sessions. Raises UserNotFound, LastAdministrator."""
        now = self._clock.now()

        def work(connection: Connection) -> User:
            user = user_rows.get_user(connection, user_id)
            if role is not Role.ADMINISTRATOR:
                user_rows.keep_an_administrator(connection, user)
            if user.role.scopes - role.scopes:
                session_rows.revoke_all(connection, user_id, "role", now)
            return user_rows.change_user(connection, user_id, now, role=role.value)

        return await self._sql.write(work, touches=TRUST)

    async def disable(self, user_id: int) -> User:
        """Ends their sessions and lets them in no more. Raises UserNotFound, LastAdministrator."""
        now = self._clock.now()
        return await self._sql.write(lambda connection: disable_user(connection, user_id, now), touches=TRUST)

    async def enable(self, user_id: int) -> User:
        """Lets them in again. Raises UserNotFound."""
        now = self._clock.now()
        return await self._sql.write(
            lambda connection: user_rows.change_user(connection, user_id, now, disabled_at=None),
            touches=user_rows.TABLES,
        )

    async def delete(self, user_id: int) -> User:
        """Forgets address, name and password; what they did stays recorded. Raises UserNotFound, LastAdministrator."""
        now = self._clock.now()
        return await self._sql.write(lambda connection: delete_user(connection, user_id, now), touches=TRUST)

    async def _count_attempt(self, name: str) -> Attempt:
        now, settings = self._clock.now(), self._settings
        attempt = await self._sql.write(lambda connection: lockout.count_attempt(connection, name, settings, now))
        if attempt.wait_s:
            raise LockedOut(attempt.wait_s)
        return attempt

    async def _check(self, name: str, password: str, password_hash: str | None) -> bool:
        try:
            return await self._passwords.check(password, password_hash)
        except TooMany:  # nobody was wrong
            await self._sql.write(lambda connection: lockout.take_back(connection, name, self._settings))
            raise

    async def _note_lock(self, attempt: Attempt, name: str, user: User | None) -> None:
        """Tells the mailbox of an account that its name was locked; for a name without one, the same work."""
        now, until = self._clock.now(), attempt.locked_until
        if until is None:
            return

        def work(connection: Connection) -> None:
            lockout.note_lock(connection, name, now)
            if user is not None and not user.disabled:
                self._mail.put(connection, self._mail.letters.locked_out(user.email, user.name, until))
            else:
                self._mail.pretend(connection, self._mail.letters.locked_out(NOBODY, "", until))

        await self._sql.write(work)
        self._mail.wake()

    async def _let_in(self, user: User, name: str, seen_hash: str, new_hash: str | None) -> User:
        now = self._clock.now()

        def work(connection: Connection) -> User:
            # the password may have been changed, or the person sent away, while it was being checked
            if not user_rows.note_login(connection, user.id, seen_hash, now, new_hash):
                raise _wrong()
            lockout.forget_failures(connection, name)
            return user_rows.get_user(connection, user.id)

        return await self._sql.write(work)  # touches nothing: when they came last opens no door

    async def _make_first(self, email: str, password: str) -> None:
        try:
            draft = UserDraft(email, FIRST_NAME, Role.ADMINISTRATOR, password)
            user = await self.create(draft, by=BY_CONFIGURATION, action="user.first_administrator")
        except Conflict:
            log.warning("ADMIN_EMAIL names somebody who is no administrator; nothing was changed")
        except Invalid as error:
            raise _no_first(error) from error
        else:
            log.info("made the first administrator, user %d", user.id)


def disable_user(connection: Connection, user_id: int, now: datetime) -> User:
    """Lets a person in no more, and ends their sessions; the write touches TRUST."""
    user_rows.keep_an_administrator(connection, user_rows.get_user(connection, user_id))
    session_rows.revoke_all(connection, user_id, "disabled", now)
    codes.withdraw_codes(connection, user_id)
    return user_rows.change_user(connection, user_id, now, disabled_at=now)


def delete_user(connection: Connection, user_id: int, now: datetime) -> User:
    """Forgets a person, and ends their sessions; the write touches TRUST. Returns who it was."""
    user = user_rows.get_user(connection, user_id)
    user_rows.keep_an_administrator(connection, user)
    session_rows.revoke_all(connection, user_id, "deleted", now)
    lockout.forget_failures(connection, user.email)
    user_rows.erase_user(connection, user_id, now)
    return user


def _wrong() -> Unauthenticated:
    return Unauthenticated("the address or the password is wrong")


def _no_first(error: Invalid) -> StartFailed:
    details = " ".join(one.message for one in error.errors)
    return StartFailed(
        f"no first administrator can be made of ADMIN_EMAIL and ADMIN_PASSWORD: {error.message}. {details}",
        remedy="set another ADMIN_PASSWORD (openssl rand -base64 18), or unset both and run: user create",
    )
