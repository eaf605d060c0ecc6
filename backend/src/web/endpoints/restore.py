"""/v1/snapshots/{id}/restore: planned, executed, and told PV by PV."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Body
from starlette.responses import Response

from backend.src.core.errors import Conflict, TimedOut, Unavailable
from backend.src.infra.epics.address import Protocol
from backend.src.services.accounts import Principal
from backend.src.services.jobs import Job, Jobs
from backend.src.services.restore import Outcomes, OutcomesNotFound, Restores
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.audit_trail import note_outcome
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.column_json import answer_with
from backend.src.web.endpoints.snapshots import BASE, Async
from backend.src.web.inputs import OpaqueId
from backend.src.web.restore_json import (
    finished_json,
    outcome_rows_json,
    outcomes_json,
    plan_items_json,
    plan_json,
)
from backend.src.web.restore_models import (
    OutcomesAnswer,
    PlanAnswer,
    RestoreAtOnce,
    RestoreBody,
    RestoreByPlan,
    RestoreFinished,
    RestoreSelection,
)
from backend.src.web.routes import Route
from backend.src.web.snapshot_models import JobStarted

TAGS = ("Restore",)
LONGEST_WAIT_S = 3_600.0
EVERYTHING = RestoreAtOnce()


class RestoreEndpoint:
    """The only routes that put a snapshot back."""

    def __init__(self, restores: Restores, jobs: Jobs, default_protocol: Protocol) -> None:
        self._restores = restores
        self._jobs = jobs
        self._default = default_protocol

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        restore, away = Access.RESTORE, (Conflict, Unavailable)
        return (
            Route("POST", f"{BASE}/{{id}}/restore/plan", self.plan, access=restore, tags=TAGS, errors=away,
                  summary="What a restore would do, PV by PV", response_model=PlanAnswer),
            Route("POST", f"{BASE}/{{id}}/restore", self.restore, access=restore, tags=TAGS, errors=(*away, TimedOut),
                  summary="Put the machine back", response_model=JobStarted | RestoreFinished),
            Route("GET", "/v1/jobs/{id}/outcomes", self.outcomes, access=Access.READ, tags=TAGS, errors=away,
                  summary="What became of each PV of a restore", response_model=OutcomesAnswer),
        )  # fmt: skip

    async def plan(
        self,
        id: OpaqueId,
        body: Annotated[RestoreSelection, Body()] = EVERYTHING,
        principal: Principal = CurrentPrincipal,
    ) -> Response:
        """Reads every setpoint anew and writes nothing."""
        proposal = await self._restores.plan(id, body.request(), principal.name)
        items = await asyncio.to_thread(plan_items_json, proposal, self._default)
        return answer_with(plan_json(proposal), "items", items)

    async def restore(
        self,
        id: OpaqueId,
        body: Annotated[RestoreBody, Body()] = EVERYTHING,
        in_background: Async = True,
        principal: Principal = CurrentPrincipal,
    ) -> Response:
        """Saves what it is about to overwrite as a snapshot (the job's resultId), writes, and reads back.

        409 while another restore is under way. It is never repeated by itself.
        """
        job = await self._begin(id, body, principal.name)
        note_outcome(job=job.id)
        if in_background:
            return Boilerplates.json({"jobId": job.id, "message": f"restoring snapshot {id}"})
        ended = await self._jobs.wait(job.id, timeout_s=LONGEST_WAIT_S)
        return Boilerplates.json(finished_json(ended, await self._outcomes_if_any(job.id)))

    async def _begin(self, snapshot_id: str, body: RestoreBody, actor: str) -> Job:
        if isinstance(body, RestoreByPlan):
            return await self._restores.execute_plan(snapshot_id, body.plan_id, actor)
        return await self._restores.restore(snapshot_id, body.request(), actor)

    async def _outcomes_if_any(self, job_id: str) -> Outcomes | None:
        try:
            return (await self._restores.outcomes(job_id))[1]
        except OutcomesNotFound:
            return None

    async def outcomes(self, id: OpaqueId) -> Response:
        """Kept for good. While it runs, and when it died, "unknown" are those that may have been written."""
        job, outcomes = await self._restores.outcomes(id)
        rows = await asyncio.to_thread(outcome_rows_json, outcomes, self._default)
        return answer_with(outcomes_json(job, outcomes), "outcomes", rows)
