"""/v1/users for administrators: who there is, what they may do, who is invited."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from backend.src.core.errors import Conflict, TooMany
from backend.src.services.accounts import ApiKeys, Principal, Scope
from backend.src.services.accounts.password_resets import PasswordResets
from backend.src.services.accounts.registrations import Registrations
from backend.src.services.accounts.user_rows import User
from backend.src.services.accounts.users import Users
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.audit_trail import note_outcome
from backend.src.web.inputs import OpaqueId, PageSize, PathId, Token
from backend.src.web.inputs import Query as QueryText
from backend.src.web.paging import read_token, write_token
from backend.src.web.routes import Route
from backend.src.web.user_models import (
    ChangedRole,
    ChangedUser,
    CodeAnswer,
    DeletedUser,
    InvitationAnswer,
    KeyLeft,
    NewInvitation,
    NewUser,
    NewUserAnswer,
    ReducedUser,
    UserAnswer,
    UserPage,
)

BASE = "/v1/users"
ONE = f"{BASE}/{{id}}"
INVITATIONS = f"{BASE}/invitations"
LIST = "users"

After = Annotated[Token | None, Query(alias="continuationToken", description="from the page before")]
Part = Annotated[QueryText | None, Query(alias="q", description="part of an address or a name; any case")]


class UsersEndpoint:
    """The people of this server, seen by those who administer it."""

    def __init__(self, users: Users, registrations: Registrations, resets: PasswordResets, keys: ApiKeys) -> None:
        self._users = users
        self._registrations = registrations
        self._resets = resets
        self._keys = keys

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        people: dict[str, Any] = {"access": Access.ADMIN, "tags": ("Users",)}
        making: dict[str, Any] = {**people, "errors": (Conflict, TooMany)}
        ending: dict[str, Any] = {**people, "errors": (Conflict,)}
        return (
            Route("GET", BASE, self.page, summary="List users", **people),
            Route("POST", BASE, self.create, summary="Make a user", **making),
            Route("GET", ONE, self.get, summary="One user", **people),
            Route("PUT", ONE, self.update, summary="Change a user's name or address", **ending),
            Route("DELETE", ONE, self.delete, summary="Delete a user", **ending),
            Route("PUT", f"{ONE}/role", self.set_role, summary="Give a user a role", **ending),
            Route("PUT", f"{ONE}/disable", self.disable, summary="Let a user in no more", **ending),
            Route("PUT", f"{ONE}/enable", self.enable, summary="Let a user in again", **people),
            Route("PUT", f"{ONE}/password", self.send_reset, summary="Have a user set a new password", **people),
            Route("GET", INVITATIONS, self.invitations, summary="List open invitations", **people),
            Route("POST", INVITATIONS, self.invite, summary="Invite somebody", **ending),
            Route("DELETE", f"{INVITATIONS}/{{id}}", self.withdraw, summary="Withdraw an invitation", **people),
        )

    async def page(
        self, part: Part = None, page_size: Annotated[PageSize, Query(alias="pageSize")] = 100, after: After = None
    ) -> UserPage:
        """In the order of their addresses."""
        start = None if after is None else read_token(after, LIST, str)[0]
        users = await self._users.page(part=part, after=start, limit=page_size + 1)
        more = len(users) > page_size
        token = write_token(LIST, users[page_size - 1].email) if more else None
        return UserPage(results=[UserAnswer.of(user) for user in users[:page_size]], continuation_token=token)

    async def create(self, new: NewUser, principal: Principal = CurrentPrincipal) -> NewUserAnswer:
        """The address counts as confirmed: you vouch for it. Without a password, a code to set one is mailed."""
        user = await self._users.create(new.draft(), by=principal.name)
        note_outcome(str(user.id), role=user.role)
        sent = None
        if not user.has_password:
            sent = CodeAnswer.of(await self._resets.send(user.id, by=principal.name))
        return NewUserAnswer(**UserAnswer.of(user).model_dump(), password_code=sent)

    async def get(self, id: PathId) -> UserAnswer:
        """A deleted user is not found."""
        return UserAnswer.of(await self._users.get(id))

    async def update(self, id: PathId, changed: ChangedUser) -> UserAnswer:
        """The address counts as confirmed: you vouch for it."""
        return UserAnswer.of(await self._users.update(id, name=changed.name, email=changed.email))

    async def delete(self, id: PathId) -> DeletedUser:
        """Forgets address, name and password; what they did, and their keys, stay. The last administrator stays."""
        left = await self._keys_left(id)  # before: what was deleted is answered so even when the database goes away
        await self._users.delete(id)
        return DeletedUser(keys_left=left)

    async def set_role(self, id: PathId, changed: ChangedRole) -> ReducedUser:
        """A role that allows less ends their sessions. The last administrator stays one."""
        note_outcome(role=changed.role)
        return await self._reduced(await self._users.set_role(id, changed.role))

    async def disable(self, id: PathId) -> ReducedUser:
        """Ends their sessions, not their keys: programs use those. The last administrator stays."""
        return await self._reduced(await self._users.disable(id))

    async def enable(self, id: PathId) -> UserAnswer:
        """With the password that they had."""
        return UserAnswer.of(await self._users.enable(id))

    async def send_reset(self, id: PathId, principal: Principal = CurrentPrincipal) -> CodeAnswer:
        """Mails them a code; where this server sends no mail, the answer holds it. Their password stays until then."""
        return CodeAnswer.of(await self._resets.send(id, by=principal.name))

    async def invitations(self) -> list[InvitationAnswer]:
        """Those that nobody has accepted yet, newest first."""
        return [InvitationAnswer.of(code) for code in await self._registrations.invitations()]

    async def invite(self, new: NewInvitation, principal: Principal = CurrentPrincipal) -> CodeAnswer:
        """Mails a code; where this server sends no mail, the answer holds it. It replaces an earlier invitation."""
        note_outcome(role=new.role)
        return CodeAnswer.of(await self._registrations.invite(new.email, new.role, by=principal.name))

    async def withdraw(self, id: OpaqueId) -> bool:
        """The code that was sent is worth nothing any more."""
        await self._registrations.withdraw(id)
        return True

    async def _reduced(self, user: User) -> ReducedUser:
        allowed = frozenset() if user.disabled else user.role.scopes
        return ReducedUser(**UserAnswer.of(user).model_dump(), keys_left=await self._keys_left(user.id, allowed))

    async def _keys_left(self, user_id: int, allowed: frozenset[Scope] = frozenset()) -> list[KeyLeft]:
        return [KeyLeft.of(key) for key in await self._keys.left_by(user_id, allowed)]
