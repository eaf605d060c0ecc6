"""/v1/jobs: what runs, what ran, and the way to stop it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import Field, TypeAdapter

from backend.src.core.errors import Conflict
from backend.src.services.jobs import Job, Jobs, JobStatus
from backend.src.web.access import Access
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.inputs import OpaqueId, PageSize, Token
from backend.src.web.inputs import Query as SearchText
from backend.src.web.models import ResponseModel
from backend.src.web.paging import page_of, read_token, write_token
from backend.src.web.routes import Route

TAGS = ("Jobs",)
TOKEN = "jobs"


class JobState(ResponseModel):
    """One job; progress in percent."""

    id: str = Field(examples=["4b1d8e07c2a96f35"])
    type: str = Field(examples=["snapshot_create"])
    status: JobStatus
    progress: int = Field(examples=[100])
    message: str | None = Field(examples=["saved 40000 PVs"])
    result_id: str | None = Field(examples=["9f2c4e1a7b3d5f60"])
    error: str | None
    job_data: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    created_by: str | None = Field(examples=["Ann Smith (user 5)"])
    abort_requested: bool


_page = TypeAdapter(list[JobState])


class JobsEndpoint:
    """Reads and aborts jobs; what they do begins elsewhere."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def routes(self) -> tuple[Route, ...]:
        """The three operations."""
        return (
            Route(
                "GET",
                "/v1/jobs",
                self.list_jobs,
                access=Access.READ,
                summary="List jobs",
                tags=TAGS,
                response_model=list[JobState],
            ),
            Route("GET", "/v1/jobs/{job_id}", self.get, access=Access.READ, summary="Get a job", tags=TAGS),
            Route(
                "POST",
                "/v1/jobs/{job_id}/abort",
                self.abort,
                access=Access.INTERVENE,
                summary="Abort a job",
                tags=TAGS,
                errors=(Conflict,),
            ),
        )

    async def list_jobs(
        self,
        request: Request,
        status: Annotated[JobStatus | None, Query(description="only those that are so")] = None,
        type_: Annotated[
            SearchText | None, Query(alias="type", description="only those of this type", examples=["snapshot_create"])
        ] = None,
        page_size: Annotated[PageSize, Query(alias="pageSize")] = 100,
        continuation_token: Annotated[Token | None, Query(alias="continuationToken")] = None,
    ) -> Response:
        """Newest first; the Link header leads to the next page."""
        after = read_token(continuation_token, TOKEN, datetime, str) if continuation_token else None
        found = await self._jobs.newest(status=status, type_=type_, after=after, limit=page_size + 1)
        page, headers = page_of(request, found, page_size, lambda last: write_token(TOKEN, last.created_at, last.id))
        return Boilerplates.encoded_json(_page.dump_json([_state(job) for job in page]), headers=headers)

    async def get(self, job_id: OpaqueId) -> JobState:
        """How far it is, and how it ended."""
        return _state(await self._jobs.get(job_id))

    async def abort(self, job_id: OpaqueId) -> JobState:
        """A pending job ends at once; a running one is asked to, and says itself how far it got."""
        return _state(await self._jobs.abort(job_id))


def _state(job: Job) -> JobState:
    return JobState(
        id=job.id,
        type=job.type,
        status=job.status,
        progress=job.progress,
        message=job.message,
        result_id=job.result_id,
        error=job.error,
        job_data=job.data,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        created_by=job.actor,
        abort_requested=job.abort_requested,
    )
