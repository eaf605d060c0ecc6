"""What goes over the wire about restores."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from backend.src.services.jobs import JobStatus
from backend.src.services.restore import RestoreOptions, RestoreRequest, Result, Verdict
from backend.src.web.inputs import BodyId, OpaqueBodyId, Seconds
from backend.src.web.models import RequestModel, ResponseModel
from backend.src.web.snapshot_models import MOST_PVS, JobStarted, PvIds, PvSelection

TimeOuts = Annotated[dict[BodyId, Seconds], Field(max_length=MOST_PVS)]


class RestoreSelection(PvSelection):
    """Which PVs of the snapshot to put back, and how. With no criterion all; readOnly PVs never.

    timeout: seconds for a put to complete; timeouts: the same for single PVs, by id. wait: for completion of each put.
    includeStale: also values that nobody vouched for when they were saved. ignoreLimits: also values outside today's
    control limits.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"pvPattern": "QUAD:*", "excludePvIds": ["17"], "timeout": 10}]}
    )

    exclude_pv_ids: PvIds = Field(default_factory=list)
    timeout: Seconds | None = None
    timeouts: TimeOuts = Field(default_factory=dict)
    wait: bool = True
    include_stale: bool = False
    ignore_limits: bool = False

    def request(self) -> RestoreRequest:
        """What the service takes."""
        options = RestoreOptions(self.timeout, self.timeouts, self.wait, self.include_stale, self.ignore_limits)
        return RestoreRequest(self.selection(), frozenset(self.exclude_pv_ids), options)


class RestoreByPlan(RequestModel):
    """A plan that was reviewed: it says all by itself."""

    plan_id: OpaqueBodyId = Field(examples=["0123456789abcdef"])

    @model_validator(mode="before")
    @classmethod
    def _stands_alone(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given) > 1:
            raise ValueError("a plan says all by itself: give planId alone")
        return given


class RestoreAtOnce(RestoreSelection):
    """What to plan and execute at once."""

    plan_id: None = None


def _way(given: Any) -> str:
    plan = given.get("planId") if isinstance(given, dict) else getattr(given, "plan_id", None)
    return "plan" if plan is not None else "selection"


RestoreBody = Annotated[
    Annotated[RestoreByPlan, Tag("plan")] | Annotated[RestoreAtOnce, Tag("selection")], Discriminator(_way)
]
"""Two models: a client that sends every field of a model could not send a plan alone."""


class PlanItem(ResponseModel):
    """One PV: what would be done, why, what it has now and what it would get. Labels are those of enums."""

    pv_id: str = Field(examples=["17"])
    pv_name: str = Field(examples=["QUAD:LI21:201:BDES"])
    address: str | None = Field(examples=["QUAD:LI21:201:BDES"])
    verdict: Verdict
    reason: str = Field(examples=["differs by 0.5"])
    current: Any = Field(examples=[1.75])
    target: Any = Field(examples=[1.25])
    current_label: str | None
    target_label: str | None


class PlanAnswer(ResponseModel):
    """What a restore would do, in name order. POST .../restore with the planId does exactly that, until it expires."""

    plan_id: str = Field(examples=["0123456789abcdef"])
    snapshot_id: str = Field(examples=["9f2c4e1a7b3d5f60"])
    created_at: datetime
    expires_at: datetime
    counts: dict[str, int] = Field(examples=[{"write": 1}])
    items: list[PlanItem]


class Failure(ResponseModel):
    """A PV that is not as it was to be."""

    pv_id: str = Field(examples=["17"])
    pv_name: str = Field(examples=["QUAD:LI21:201:BDES"])
    error: str = Field(examples=["it did not confirm the put in 10 s"])


class RestoreFinished(JobStarted):
    """A restore that was waited for. resultId: the snapshot of what was overwritten."""

    status: JobStatus
    error: str | None
    result_id: str | None = Field(examples=["c3a9d5e8f1b20746"])
    total_p_vs: int = Field(alias="totalPVs", examples=[2])
    success_count: int = Field(examples=[1])
    failure_count: int = Field(examples=[1])
    failures: list[Failure]


class PvOutcome(ResponseModel):
    """What became of one PV. ok: it is as the snapshot has it, or was left alone on purpose."""

    pv_id: str = Field(examples=["17"])
    pv_name: str = Field(examples=["QUAD:LI21:201:BDES"])
    address: str | None = Field(examples=["QUAD:LI21:201:BDES"])
    verdict: Verdict
    result: Result
    ok: bool
    message: str = Field(examples=["written and read back"])
    target: Any = Field(examples=[1.25])
    before: Any = Field(examples=[1.75])
    after: Any = Field(examples=[1.25])
    verified: bool


class OutcomesAnswer(ResponseModel):
    """A restore PV by PV, in name order. finished: false when it runs still, or died: then "unknown" may be written."""

    job_id: str = Field(examples=["4b1d8e07c2a96f35"])
    status: JobStatus
    snapshot_id: str = Field(examples=["9f2c4e1a7b3d5f60"])
    rollback_snapshot_id: str | None = Field(examples=["c3a9d5e8f1b20746"])
    actor: str = Field(examples=["Ann Smith (user 5)"])
    finished: bool
    counts: dict[str, int] = Field(examples=[{"restored": 1}])
    outcomes: list[PvOutcome]
