"""/v1/admin/crons: what runs by itself."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import Field

from backend.src.services.accounts import Principal
from backend.src.services.crons import Crons, CronState, CronStatus
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.models import ResponseModel
from backend.src.web.routes import Route

TAGS = ("Administration",)

CronName = Annotated[str, Path(pattern=r"^[a-z_]{1,64}$", description="of the list of crons", examples=["retention"])]


class CronAnswer(ResponseModel):
    """One cron. requested: a run was asked for and has not begun; runner: the process that runs it now."""

    name: str = Field(examples=["retention"])
    meaning: str = Field(examples=["remove what is older than its rule allows"])
    schedule: str = Field(examples=["cron 0 3 * * *"])
    paused: bool
    due_at: datetime | None
    requested: bool
    runner: str | None
    last_started_at: datetime | None
    last_ended_at: datetime | None
    last_duration_s: float | None = Field(examples=[0.4])
    last_status: CronStatus | None
    last_result: str | None = Field(examples=["removed 3 snapshots"])
    runs: int = Field(examples=[41])
    failures: int = Field(examples=[0])
    modified_by: str | None

    @classmethod
    def of(cls, state: CronState) -> CronAnswer:
        """The wire's form."""
        described = {"meaning": state.task.meaning, "schedule": state.task.schedule.text}
        return cls.model_validate({**asdict(state.cron), **described})


class CronsEndpoint:
    """Lists and steers the crons of all processes, whichever answers."""

    def __init__(self, crons: Crons) -> None:
        self._crons = crons

    def routes(self) -> tuple[Route, ...]:
        """The four operations."""
        base, admin = "/v1/admin/crons", Access.ADMIN
        one = f"{base}/{{name}}"
        return (
            Route("GET", base, self.list_crons, access=admin, summary="List what runs by itself", tags=TAGS),
            Route("POST", f"{one}/run", self.run, access=admin, summary="Run a cron now", tags=TAGS),
            Route("POST", f"{one}/pause", self.pause, access=admin, summary="Pause a cron", tags=TAGS),
            Route("POST", f"{one}/resume", self.resume, access=admin, summary="Resume a cron", tags=TAGS),
        )

    async def list_crons(self) -> list[CronAnswer]:
        """Each with its schedule, its last run and its next."""
        return [CronAnswer.of(state) for state in await self._crons.states()]

    async def run(self, name: CronName, principal: Principal = CurrentPrincipal) -> CronAnswer:
        """It begins within seconds, in one process that may run it, even when it is off or paused."""
        return CronAnswer.of(await self._crons.run_now(name, principal.name))

    async def pause(self, name: CronName, principal: Principal = CurrentPrincipal) -> CronAnswer:
        """In every process, until it is resumed; a run under way goes on."""
        return CronAnswer.of(await self._crons.pause(name, principal.name))

    async def resume(self, name: CronName, principal: Principal = CurrentPrincipal) -> CronAnswer:
        """What it missed while paused it does not make up for."""
        return CronAnswer.of(await self._crons.resume(name, principal.name))
