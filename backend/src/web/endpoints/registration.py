"""/v1/users for strangers: register, confirm an address, accept an invitation, set a forgotten password anew.

None of these answers tells whether an address has an account.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from backend.src.core.errors import Conflict, Forbidden, TooMany, Unavailable
from backend.src.services.accounts.password_resets import PasswordResets
from backend.src.services.accounts.registrations import Registrations
from backend.src.services.accounts.user_rows import User
from backend.src.services.accounts.verification import Verification
from backend.src.services.audit import Audit, AuditEntry
from backend.src.web.access import Access
from backend.src.web.client_address import client_address
from backend.src.web.http_codes import HttpCodes
from backend.src.web.rate_limits import RateClass
from backend.src.web.routes import Route
from backend.src.web.user_models import (
    Accepted,
    AcceptedInvitation,
    ForgottenPassword,
    NewPassword,
    NewRegistration,
    UsedCode,
    UserAnswer,
)

BASE = "/v1/users"
LOOK = "look into your mail"


class RegistrationEndpoint:
    """What needs no account yet, or one whose password is forgotten."""

    def __init__(
        self, registrations: Registrations, resets: PasswordResets, verification: Verification, audit: Audit
    ) -> None:
        self._registrations = registrations
        self._resets = resets
        self._verification = verification
        self._audit = audit

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        stranger: dict[str, Any] = {"access": Access.OPEN, "limited": RateClass.LOGIN, "tags": ("Registration",)}
        asking: dict[str, Any] = {**stranger, "status": HttpCodes.ACCEPTED, "errors": (Forbidden, TooMany, Unavailable)}
        using: dict[str, Any] = {**stranger, "errors": (Conflict, Forbidden, TooMany)}
        return (
            Route("POST", f"{BASE}/register", self.register, summary="Ask for an account", **asking),
            Route("POST", f"{BASE}/verify", self.verify, summary="Confirm an address by a mailed code", **using),
            Route("POST", f"{BASE}/invitations/accept", self.accept, summary="Accept an invitation", **using),
            Route("POST", f"{BASE}/password/forgot", self.forgot, summary="Ask for a new password", **asking),
            Route("POST", f"{BASE}/password/reset", self.reset, summary="Set a password by a mailed code", **using),
        )

    async def register(self, new: NewRegistration) -> Accepted:
        """A code is mailed; the account exists once it was used. The same answer whether the address has one."""
        await self._registrations.register(new.email, new.name, new.password.get_secret_value())
        return Accepted(message=LOOK)

    async def verify(self, used: UsedCode, request: Request) -> UserAnswer:
        """The code of a registration makes the account, that of a changed address changes it."""
        user = await self._verification.verify(used.code)
        return await self._noted("user.verified", user, request)

    async def accept(self, accepted: AcceptedInvitation, request: Request) -> UserAnswer:
        """Makes the account, with the role that it was invited to."""
        user = await self._registrations.accept(accepted.code, accepted.name, accepted.password.get_secret_value())
        return await self._noted("user.invitation_accepted", user, request)

    async def forgot(self, forgotten: ForgottenPassword) -> Accepted:
        """A code is mailed when the address has an account. The same answer when it has none."""
        await self._resets.request(forgotten.email)
        return Accepted(message=LOOK)

    async def reset(self, new: NewPassword, request: Request) -> UserAnswer:
        """Ends every session of the account."""
        address = client_address(request.scope) or None
        user = await self._resets.reset(new.code, new.new_password.get_secret_value(), address=address)
        return await self._noted("user.password_reset", user, request)

    async def _noted(self, action: str, user: User, request: Request) -> UserAnswer:
        entry = AuditEntry(
            action,
            target=str(user.id),
            address=client_address(request.scope) or None,
            status=HttpCodes.OK,
        )
        await self._audit.note(entry)
        return UserAnswer.of(user)
