"""/v1/admin/retention: how long snapshots are kept, by label."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import Field

from backend.src.core.errors import NotFound
from backend.src.services.accounts import Principal
from backend.src.services.retention import LONGEST_DAYS, Preview, Retention, Rule
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.inputs import Label, PageSize, Token
from backend.src.web.models import RequestModel, ResponseModel
from backend.src.web.paging import read_token, write_token
from backend.src.web.routes import Route

TAGS = ("Administration",)
BASE = "/v1/admin/retention"
TOKEN = "retention"


class RuleBody(RequestModel):
    """keepDays: 0 for ever."""

    label: Label
    keep_days: Annotated[int, Field(ge=0, le=LONGEST_DAYS, examples=[30])]


class RuleAnswer(ResponseModel):
    """keepDays: 0 for ever. modifiedAt: null for a rule of the configuration that nobody has changed."""

    label: str = Field(examples=["scheduled"])
    keep_days: int = Field(examples=[30])
    modified_at: datetime | None
    modified_by: str | None

    @classmethod
    def of(cls, rule: Rule) -> RuleAnswer:
        """The wire's form."""
        return cls.model_validate(asdict(rule))


class ExpiredAnswer(ResponseModel):
    """A snapshot that the next run removes."""

    id: str = Field(examples=["9f2c4e1a7b3d5f60"])
    title: str = Field(examples=["every night"])
    created_at: datetime
    labels: list[str] = Field(examples=[["scheduled"]])
    size_bytes: int = Field(examples=[721408])


class PreviewAnswer(ResponseModel):
    """Oldest first; totalCount and totalBytes are of the whole, not of this page."""

    results: list[ExpiredAnswer]
    continuation_token: str | None
    total_count: int = Field(examples=[1])
    total_bytes: int = Field(examples=[721408])

    @classmethod
    def of(cls, preview: Preview) -> PreviewAnswer:
        """The wire's form."""
        after = preview.next_after
        return cls(
            results=[ExpiredAnswer.model_validate(asdict(snapshot)) for snapshot in preview.page],
            continuation_token=None if after is None else write_token(TOKEN, *after),
            total_count=preview.total,
            total_bytes=preview.size_bytes,
        )


class RetentionEndpoint:
    """Reads and changes the rules; the cron `retention` applies them."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention

    def routes(self) -> tuple[Route, ...]:
        """The four operations. A label may hold a slash, so it is in no path."""
        manage = Access.MANAGE
        return (
            Route("GET", BASE, self.rules, access=manage, summary="List retention rules", tags=TAGS),
            Route("PUT", BASE, self.put, access=manage, summary="Set a retention rule", tags=TAGS),
            Route("DELETE", BASE, self.delete, access=manage, summary="Remove a retention rule", tags=TAGS,
                  errors=(NotFound,)),
            Route("GET", f"{BASE}/preview", self.preview, access=manage, summary="What retention would remove",
                  tags=TAGS),
        )  # fmt: skip

    async def rules(self) -> list[RuleAnswer]:
        """Those in force, by label: of the configuration, and set here."""
        return [RuleAnswer.of(rule) for rule in await self._retention.rules()]

    async def put(self, body: RuleBody, principal: Principal = CurrentPrincipal) -> RuleAnswer:
        """Snapshots with this label go when they are older, unless golden or held longer by another label's rule."""
        return RuleAnswer.of(await self._retention.set_rule(body.label, body.keep_days, principal.name))

    async def delete(self, label: Annotated[Label, Query(description="whose rule")]) -> bool:
        """The configuration's rule for the label, if there is one, is in force again."""
        await self._retention.remove_rule(label)
        return True

    async def preview(
        self,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 100,
        continuation_token: Annotated[Token | None, Query(alias="continuationToken")] = None,
    ) -> PreviewAnswer:
        """The snapshots that would go if the cron ran now."""
        after = read_token(continuation_token, TOKEN, datetime, str) if continuation_token else None
        return PreviewAnswer.of(await self._retention.preview(after=after, limit=page_size))
