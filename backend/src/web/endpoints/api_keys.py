"""/v1/api-keys: the keys of programs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from fastapi import Query
from pydantic import Field, model_validator

from backend.src.core.errors import Conflict
from backend.src.services.accounts import Accounts, ApiKey, Principal, Scope
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.inputs import IdText, Moment, Name, PathId
from backend.src.web.models import RequestModel, ResponseModel
from backend.src.web.routes import Route

TAGS = ("API keys",)


class NewKey(RequestModel):
    """A key to make: by scopes, or by the two rights that older clients know."""

    app_name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=16)] | None = None
    read_access: bool | None = None
    write_access: bool | None = None
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _names_a_right(self) -> NewKey:
        if not self.held_scopes():
            raise ValueError("name at least one of scopes, readAccess and writeAccess")
        return self

    def held_scopes(self) -> frozenset[Scope]:
        """The scopes, however they were asked for."""
        named = {Scope.READ: self.read_access, Scope.WRITE: self.write_access}
        return frozenset(self.scopes or ()) | {scope for scope, wanted in named.items() if wanted}


class Key(ResponseModel):
    """A key without its token."""

    id: IdText
    app_name: str
    is_active: bool
    read_access: bool
    write_access: bool
    scopes: list[Scope]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey, **more: str) -> Self:
        """The wire's form of a key."""
        return cls.model_validate(
            {
                **asdict(key),
                "read_access": Scope.READ in key.scopes,
                "write_access": Scope.WRITE in key.scopes,
                "scopes": list(key.scopes),
                **more,
            }
        )


class KeyWithToken(Key):
    """A key just made; its token is shown this once."""

    token: str


class ApiKeysEndpoint:
    """Lists, makes and revokes keys."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def routes(self) -> tuple[Route, ...]:
        """The four operations."""
        base = "/v1/api-keys"
        return (
            Route("GET", base, self.list_keys, access=Access.READ, summary="List API keys", tags=TAGS),
            Route(
                "POST",
                base,
                self.create,
                access=Access.ADMIN,
                summary="Make an API key",
                tags=TAGS,
                errors=(Conflict,),
            ),
            Route("GET", f"{base}/count", self.count, access=Access.READ, summary="Count API keys", tags=TAGS),
            Route(
                "DELETE",
                f"{base}/{{key_id}}",
                self.delete,
                access=Access.ADMIN,
                summary="Revoke an API key",
                tags=TAGS,
                errors=(Conflict,),
            ),
        )

    async def list_keys(self, active_only: bool = False) -> list[Key]:
        """Every key, oldest first; revoked ones too unless active_only."""
        return [Key.of(key) for key in await self._accounts.keys(active_only=active_only)]

    async def create(self, new: NewKey) -> KeyWithToken:
        """The answer holds the token, which nobody can ask for again."""
        key, token = await self._accounts.create_key(new.app_name, new.held_scopes(), new.expires_at)
        return KeyWithToken.of(key, token=token)

    async def count(self, active_only: bool = False) -> int:
        """How many keys there are."""
        return await self._accounts.count(active_only=active_only)

    async def delete(
        self,
        key_id: PathId,
        principal: Principal = CurrentPrincipal,
        force: Annotated[bool, Query(description="needed for the key that makes this call")] = False,
    ) -> Key:
        """Takes effect at once; the row stays, inactive."""
        return Key.of(await self._accounts.delete_key(key_id, by=principal, force=force))
