"""/v1/api-keys: the keys of programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field

from backend.src.core.errors import Conflict
from backend.src.services.accounts import ApiKeys, Principal
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.api_key_models import ChangedKey, Key, KeyRotation, KeyWithToken, NewKey
from backend.src.web.audit_trail import note_outcome
from backend.src.web.client_address import client_address
from backend.src.web.inputs import BodyId, PathId
from backend.src.web.routes import Route

BASE = "/v1/api-keys"
ONE = f"{BASE}/{{key_id}}"
REACH = (
    "Nobody gives, changes or takes away scopes that they do not hold themselves, and a key gives none that outlives "
    "it or is good from elsewhere; administrators may all."
)

Force = Annotated[bool, Query(description="also for the key that makes this call, and for the last administrator's")]
ActiveOnly = Annotated[bool, Query(description="without the revoked; one that has expired can be given more time")]
CreatedBy = Annotated[
    BodyId | None, Query(alias="createdBy", description="the id of a user: keys that they made, or their keys made")
]


class ApiKeysEndpoint:
    """Lists, makes, changes, rotates and revokes keys."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    def routes(self) -> tuple[Route, ...]:
        """The operations."""
        manage: dict[str, Any] = {
            "access": Access.MANAGE,
            "tags": ("API keys",),
            "errors": (Conflict,),
            "description": REACH,
        }
        read: dict[str, Any] = {"access": Access.READ, "tags": ("API keys",)}
        return (
            Route("GET", BASE, self.list_keys, summary="List API keys", **read),
            Route("POST", BASE, self.create, summary="Make an API key", **manage),
            Route("GET", f"{BASE}/count", self.count, summary="Count API keys", **read),
            Route("GET", ONE, self.get, summary="Get an API key", **read),
            Route("PUT", ONE, self.change, summary="Change an API key", **manage),
            Route("POST", f"{ONE}/rotate", self.rotate, summary="Give an API key a new token", **manage),
            Route("DELETE", ONE, self.delete, summary="Revoke an API key", **manage),
        )

    async def list_keys(self, active_only: ActiveOnly = False, created_by: CreatedBy = None) -> list[Key]:
        """Oldest first; revoked ones too unless active_only."""
        return [Key.of(key) for key in await self._keys.keys(active_only=active_only, created_by_id=created_by)]

    async def create(self, new: NewKey, principal: Principal = CurrentPrincipal) -> KeyWithToken:
        """The answer holds the token, which nobody can ask for again."""
        key, token = await self._keys.create(new.draft(), by=principal)
        note_outcome(str(key.id), scopes=key.scopes)
        return KeyWithToken.of(key, token=token)

    async def count(self, active_only: ActiveOnly = False) -> Annotated[int, Field(examples=[4])]:
        """How many keys there are, revoked ones too unless active_only."""
        return await self._keys.count(active_only=active_only)

    async def get(self, key_id: PathId) -> Key:
        """One key, revoked or not; its token is shown nowhere."""
        return Key.of(await self._keys.get(key_id))

    async def change(
        self,
        key_id: PathId,
        changed: ChangedKey,
        request: Request,
        principal: Principal = CurrentPrincipal,
        force: Force = False,
    ) -> Key:
        """What is not named stays as it is; null clears. Scopes do not change: make another key."""
        address = client_address(request.scope)
        key = await self._keys.change(key_id, changed.change(), by=principal, address=address, force=force)
        note_outcome(changed=sorted(changed.model_dump(by_alias=True, exclude_unset=True)))
        return Key.of(key)

    async def rotate(
        self,
        key_id: PathId,
        rotation: KeyRotation | None = None,
        principal: Principal = CurrentPrincipal,
        force: Force = False,
    ) -> KeyWithToken:
        """A new key in the place of this one, with its name, scopes and addresses.

        The old token stays good until the new one is used for the first time, or for overlapS seconds.
        """
        wanted = (rotation or KeyRotation()).rotation()
        key, token = await self._keys.rotate(key_id, wanted, by=principal, force=force)
        note_outcome(successor=str(key.id))
        return KeyWithToken.of(key, token=token)

    async def delete(self, key_id: PathId, principal: Principal = CurrentPrincipal, force: Force = False) -> Key:
        """Takes effect at once; the row stays, inactive."""
        return Key.of(await self._keys.revoke(key_id, by=principal, force=force))
