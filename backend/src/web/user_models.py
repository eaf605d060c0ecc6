"""People on the wire. No answer holds a password or its hash."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from backend.src.services.accounts.api_key_rows import ApiKey
from backend.src.services.accounts.codes import Code
from backend.src.services.accounts.email_addresses import LONGEST
from backend.src.services.accounts.passwords import LONGEST as LONGEST_PASSWORD
from backend.src.services.accounts.principal import Role, Scope, in_order
from backend.src.services.accounts.registrations import HandedOut
from backend.src.services.accounts.user_rows import User
from backend.src.services.accounts.users import UserDraft
from backend.src.web.inputs import NO_NUL, IdText, Name
from backend.src.web.models import RequestModel, ResponseModel

Email = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST, pattern=NO_NUL), Field(examples=["ann@lab.example"])
]
"""As typed; services/accounts judges it and gives it its one spelling."""

Password = Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_PASSWORD, examples=["four words that differ"])]
"""Any characters: it is hashed, never stored. It prints as asterisks."""

OneTimeCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$"), Field(examples=["kD3vRr0Qm1yW8sXc"])]
"""From a mail."""


class NewRegistration(RequestModel):
    """Somebody who wants an account."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"email": "ann@lab.example", "name": "Ann", "password": "four words that differ"}]
        }
    )

    email: Email
    name: Name
    password: Password


class UsedCode(RequestModel):
    """A code that came by mail."""

    code: OneTimeCode


class ForgottenPassword(RequestModel):
    """Whose."""

    email: Email


class NewPassword(RequestModel):
    """A code that came by mail, and the password that it shall set."""

    code: OneTimeCode
    new_password: Password


class AcceptedInvitation(RequestModel):
    """A code that came by mail, and who uses it."""

    code: OneTimeCode
    name: Name = Field(examples=["Ann"])
    password: Password


class NewInvitation(RequestModel):
    """Whom to invite, as what."""

    email: Email
    role: Role = Role.VIEWER


class NewUser(RequestModel):
    """Somebody to make. Without a password they get a code to set one."""

    email: Email
    name: Name = Field(examples=["Ann"])
    role: Role = Role.VIEWER
    password: Password | None = None

    def draft(self) -> UserDraft:
        """As the service takes it."""
        password = None if self.password is None else self.password.get_secret_value()
        return UserDraft(self.email, self.name, self.role, password)


class ChangedUser(RequestModel):
    """What shall be different; a field left out stays."""

    email: Email | None = None
    name: Name | None = None


class ChangedProfile(RequestModel):
    """What everybody may change about themselves without more ado."""

    name: Name = Field(examples=["Ann"])


class ChangedRole(RequestModel):
    """What somebody shall be."""

    role: Role


class ChangedPassword(RequestModel):
    """The one that is, and the one that shall be."""

    password: Password
    new_password: Password


class ChangedAddress(RequestModel):
    """Where mail shall go, once a code sent there was used."""

    password: Password
    new_email: Email


class Farewell(RequestModel):
    """The password once more; for an account that has none, its address."""

    password: Password | None = None
    email: Email | None = None


class UserAnswer(ResponseModel):
    """A person."""

    id: IdText
    email: str = Field(examples=["ann@lab.example"])
    name: str = Field(examples=["Ann"])
    role: Role
    scopes: list[Scope]
    verified: bool
    disabled: bool
    has_password: bool
    created_at: datetime
    created_by: str | None = Field(examples=["Ann Smith (user 5)"])
    last_login_at: datetime | None

    @classmethod
    def of(cls, user: User) -> Self:
        """The wire's form of a user."""
        return cls(
            id=str(user.id),
            email=user.email,
            name=user.name,
            role=user.role,
            scopes=list(in_order(user.role.scopes)),
            verified=user.verified,
            disabled=user.disabled,
            has_password=user.has_password,
            created_at=user.created_at,
            created_by=user.created_by,
            last_login_at=user.last_login_at,
        )


class CodeAnswer(ResponseModel):
    """A code was made. It is in a mail; code and link are here only when this server sends none, this once."""

    email: str = Field(examples=["ann@lab.example"])
    expires_at: datetime
    mailed: bool
    code: str | None
    link: str | None

    @classmethod
    def of(cls, made: HandedOut) -> Self:
        """The wire's form of a code just made."""
        return cls(
            email=made.email, expires_at=made.expires_at, mailed=made.mailed, code=made.code, link=made.link
        )  # fmt: skip


class NewUserAnswer(UserAnswer):
    """A person just made, and the code to set a password with when none was given."""

    password_code: CodeAnswer | None


class KeyLeft(ResponseModel):
    """An API key that goes on working."""

    id: IdText
    app_name: str = Field(examples=["archiver"])

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """The wire's form of it."""
        return cls(id=str(key.id), app_name=key.app_name)


KeysLeft = Annotated[
    list[KeyLeft],
    Field(description="keys that they made, which go on working and may more than they may by now; oldest first"),
]


class ReducedUser(UserAnswer):
    """A person whose rights were changed; revoke what shall not outlast them."""

    keys_left: KeysLeft


class DeletedUser(ResponseModel):
    """What somebody left who is gone; revoke what shall end with them."""

    keys_left: KeysLeft


class UserPage(ResponseModel):
    """People in the order of their addresses."""

    results: list[UserAnswer]
    continuation_token: str | None


class InvitationAnswer(ResponseModel):
    """An invitation that was not used yet."""

    id: str = Field(examples=["4b1d8e07c2a96f35"])
    email: str = Field(examples=["ann@lab.example"])
    role: Role
    created_at: datetime
    created_by: str | None = Field(examples=["Ann Smith (user 5)"])
    expires_at: datetime

    @classmethod
    def of(cls, code: Code) -> Self:
        """The wire's form of an invitation."""
        return cls(
            id=code.id,
            email=code.email or "",
            role=code.role or Role.VIEWER,
            created_at=code.created_at,
            created_by=code.created_by,
            expires_at=code.expires_at,
        )


class Accepted(ResponseModel):
    """It was taken note of; whatever there is to say is in a mail."""

    message: str = Field(examples=["look into your mail"])
