"""/v1/admin/mail: what was sent, what waits and why."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import Field, TypeAdapter

from backend.src.core.errors import Conflict
from backend.src.services.mailing import MailStatus, Outbox, QueuedMail
from backend.src.web.access import Access
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.inputs import IdText, Name, PageSize, PathId, Token
from backend.src.web.models import ResponseModel
from backend.src.web.paging import page_of, read_token, write_token
from backend.src.web.routes import Route

TAGS = ("Administration",)
TOKEN = "mail"


class MailState(ResponseModel):
    """A mail without what it says. giveUpAt: when a mail that waits counts as failed; error: of the last attempt."""

    id: IdText
    message_id: str = Field(examples=["<17.9f2c4e1a@larder.lab.example>"])
    recipient: str = Field(examples=["ann@lab.example"])
    subject: str = Field(examples=["Confirm your address"])
    status: MailStatus
    attempts: int = Field(examples=[1])
    created_at: datetime
    next_attempt_at: datetime | None
    give_up_at: datetime
    sent_at: datetime | None
    error: str | None


_page = TypeAdapter(list[MailState])


class MailEndpoint:
    """Shows the outbox, and tries again."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def routes(self) -> tuple[Route, ...]:
        """The three operations."""
        base = "/v1/admin/mail"
        return (
            Route(
                "GET",
                base,
                self.list_mail,
                access=Access.ADMIN,
                summary="List outgoing mail",
                tags=TAGS,
                response_model=list[MailState],
            ),
            Route("GET", f"{base}/{{mail_id}}", self.get, access=Access.ADMIN, summary="Get a mail's state", tags=TAGS),
            Route(
                "POST",
                f"{base}/{{mail_id}}/retry",
                self.retry,
                access=Access.ADMIN,
                summary="Try a mail again",
                tags=TAGS,
                errors=(Conflict,),
            ),
        )

    async def list_mail(
        self,
        request: Request,
        status: Annotated[MailStatus | None, Query(description="only those that are so")] = None,
        recipient: Annotated[Name | None, Query(description="the whole address", examples=["ann@lab.example"])] = None,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 100,
        continuation_token: Annotated[Token | None, Query(alias="continuationToken")] = None,
    ) -> Response:
        """Newest first, sent ones too until [retention] removes them; the Link header leads to the next page."""
        before = read_token(continuation_token, TOKEN, int)[0] if continuation_token else None
        found = await self._outbox.mails(status=status, recipient=recipient, before=before, limit=page_size + 1)
        page, headers = page_of(request, found, page_size, lambda last: write_token(TOKEN, last.id))
        return Boilerplates.encoded_json(_page.dump_json([_state(mail) for mail in page]), headers=headers)

    async def get(self, mail_id: PathId) -> MailState:
        """Where it is, and what the mail server said last."""
        return _state(await self._outbox.mail(mail_id))

    async def retry(self, mail_id: PathId) -> MailState:
        """A mail that waits or has failed is tried now, and for as long again as a new one."""
        return _state(await self._outbox.retry(mail_id))


def _state(mail: QueuedMail) -> MailState:
    return MailState.model_validate(asdict(mail))
