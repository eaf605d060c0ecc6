"""API keys on the wire."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from backend.src.services.accounts import ApiKey, KeyChange, KeyDraft, Rotation, Scope
from backend.src.web.inputs import NO_NUL, IdText, Moment, Name
from backend.src.web.models import RequestModel, ResponseModel

MOST_RANGES = 64
LONGEST_OVERLAP_S = 2_592_000  # a month

Range = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL), Field(examples=["10.1.0.0/16"])]
Ranges = Annotated[
    list[Range], Field(max_length=MOST_RANGES, description="addresses and networks it may be used from; none: any")
]


class NewKey(RequestModel):
    """A key to make: by scopes, or by the two rights that older clients know."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"appName": "archiver", "scopes": ["read"]}]})

    app_name: Name = Field(examples=["archiver"])
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=16)] | None = None
    read_access: bool | None = None
    write_access: bool | None = None
    expires_at: Moment | None = None
    addresses: Ranges | None = None

    @model_validator(mode="after")
    def _names_a_right(self) -> NewKey:
        if not self._held_scopes():
            raise ValueError("name at least one of scopes, readAccess and writeAccess")
        return self

    def draft(self) -> KeyDraft:
        """As the service takes it."""
        return KeyDraft(self.app_name, self._held_scopes(), self.expires_at, tuple(self.addresses or ()))

    def _held_scopes(self) -> frozenset[Scope]:
        named = {Scope.READ: self.read_access, Scope.WRITE: self.write_access}
        return frozenset(self.scopes or ()) | {scope for scope, wanted in named.items() if wanted}


class ChangedKey(RequestModel):
    """What shall be different."""

    app_name: Name | None = Field(default=None, examples=["archiver"])
    expires_at: Moment | None = None
    addresses: Ranges | None = None

    def change(self) -> KeyChange:
        """As the service takes it."""
        return KeyChange(frozenset(self.model_fields_set), self.app_name, self.expires_at, tuple(self.addresses or ()))


class KeyRotation(RequestModel):
    """How the old token ends: at the first use of the new one, or after a time."""

    overlap_s: Annotated[float, Field(allow_inf_nan=False, ge=0, le=LONGEST_OVERLAP_S)] | None = Field(
        default=None,
        description="seconds for which the old token stays good; 0: it ends now, even if this answer is lost; "
        "null: it ends when the new one is used for the first time",
    )
    expires_at: Moment | None = Field(default=None, description="of the new key; null: as the old one")

    def rotation(self) -> Rotation:
        """As the service takes it."""
        return Rotation(self.overlap_s, self.expires_at)


class Key(ResponseModel):
    """A key without its token. `prefix` is how the token begins; rotatedTo is the key that took its place."""

    id: IdText
    app_name: str = Field(examples=["archiver"])
    is_active: bool
    read_access: bool
    write_access: bool
    scopes: list[Scope]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    prefix: str | None = Field(examples=["lrd_4ac0660d"])
    created_by: str | None = Field(examples=["Ann Smith (user 5)"])
    created_by_id: IdText | None = Field(
        description="the person who made it, themselves or by a key of theirs, or whose key it took the place of"
    )
    addresses: list[str] = Field(examples=[["10.1.0.0/16"]])
    rotated_to: IdText | None

    @classmethod
    def of(cls, key: ApiKey, **more: str) -> Self:
        """The wire's form of a key."""
        return cls.model_validate(
            {
                **asdict(key),
                "read_access": Scope.READ in key.scopes,
                "write_access": Scope.WRITE in key.scopes,
                "scopes": list(key.scopes),
                "addresses": list(key.addresses),
                **more,
            }
        )


class KeyWithToken(Key):
    """A key just made; its token is shown this once."""

    token: str = Field(examples=["lrd_4ac0660d_..."])
