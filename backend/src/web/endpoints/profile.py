"""/v1/users/me: one's own account. An API key has none."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from backend.src.core.errors import Conflict, Forbidden, TooMany, Unavailable
from backend.src.services.accounts import ApiKeys, Principal, PrincipalKind
from backend.src.services.accounts.profiles import Profiles
from backend.src.services.accounts.users import Users
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.client_address import client_address
from backend.src.web.http_codes import HttpCodes
from backend.src.web.rate_limits import RateClass
from backend.src.web.routes import Route
from backend.src.web.user_models import (
    Accepted,
    ChangedAddress,
    ChangedPassword,
    ChangedProfile,
    DeletedUser,
    Farewell,
    KeyLeft,
    UserAnswer,
)

ME = "/v1/users/me"


class ProfileEndpoint:
    """What people see and change of themselves."""

    def __init__(self, users: Users, profiles: Profiles, keys: ApiKeys) -> None:
        self._users = users
        self._profiles = profiles
        self._keys = keys

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data. READ, because every role has it: a person needs no more to be themselves."""
        mine: dict[str, Any] = {"access": Access.READ, "tags": ("Profile",)}
        proven: dict[str, Any] = {**mine, "limited": RateClass.LOGIN, "errors": (Conflict, TooMany)}
        mailed: dict[str, Any] = {**proven, "status": HttpCodes.ACCEPTED, "errors": (Conflict, TooMany, Unavailable)}
        return (
            Route("GET", ME, self.get, summary="Your account", **mine),
            Route("PUT", ME, self.rename, summary="Change your name", **mine),
            Route("PUT", f"{ME}/password", self.change_password, summary="Change your password", **proven),
            Route("PUT", f"{ME}/email", self.change_address, summary="Change your address", **mailed),
            Route("DELETE", ME, self.delete, summary="Delete your account", **proven),
        )

    async def get(self, principal: Principal = CurrentPrincipal) -> UserAnswer:
        """With the scopes that your role allows; a session may have fewer."""
        return UserAnswer.of(await self._users.get(person_of(principal)))

    async def rename(self, changed: ChangedProfile, principal: Principal = CurrentPrincipal) -> UserAnswer:
        """The name that the records show from now on."""
        return UserAnswer.of(await self._profiles.rename(person_of(principal), changed.name))

    async def change_password(
        self, changed: ChangedPassword, request: Request, principal: Principal = CurrentPrincipal
    ) -> UserAnswer:
        """Ends all of your sessions but this one."""
        user = await self._profiles.change_password(
            person_of(principal),
            changed.password.get_secret_value(),
            changed.new_password.get_secret_value(),
            session=principal.session,
            address=client_address(request.scope) or None,
        )
        return UserAnswer.of(user)

    async def change_address(self, changed: ChangedAddress, principal: Principal = CurrentPrincipal) -> Accepted:
        """A code goes to the new address; it counts once that was used: POST /v1/users/verify."""
        password = changed.password.get_secret_value()
        await self._profiles.request_address(person_of(principal), password, changed.new_email)
        return Accepted(message="look into the mail of the new address")

    async def delete(self, farewell: Farewell, principal: Principal = CurrentPrincipal) -> DeletedUser:
        """For good. What you did stays recorded, under the name that you had then; keys that you made go on working.

        An account without a password is deleted by its address, in a session that was not narrowed to some scopes.
        """
        person = person_of(principal)
        password = None if farewell.password is None else farewell.password.get_secret_value()
        left = await self._keys.left_by(person, frozenset())  # before: an answer must not fail behind the deletion
        await self._profiles.delete(person, password, email=farewell.email, scopes=principal.scopes)
        return DeletedUser(keys_left=[KeyLeft.of(key) for key in left])


def person_of(principal: Principal) -> int:
    """The id of the person who asks. Raises Forbidden for anything that is no person."""
    if principal.kind is not PrincipalKind.USER:
        raise Forbidden(
            f"{principal.name} is no person: this is about one's own account", remedy="log in: POST /oauth/token"
        )
    return int(principal.id)
