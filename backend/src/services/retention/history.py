"""What is kept for some days and then goes: ended jobs with what they made, the audit trail, mail that was sent."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import and_

from backend.src.config.settings import RetentionSettings
from backend.src.core.clock import Clock
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import outbox
from backend.src.services.audit import Audit
from backend.src.services.cameras import Clips
from backend.src.services.cameras.clips import JOB_TYPE as CLIP
from backend.src.services.jobs import Jobs
from backend.src.services.restore import JOB_TYPE as RESTORE
from backend.src.services.restore import Restores
from backend.src.services.retention.batches import BREATH_S, ROWS_AT_ONCE, counted, delete_all

OVER = ("sent", "failed")  # states of a mail with which nothing happens any more


class History:
    """Removes what is older than the settings keep; 0 days: for ever."""

    def __init__(
        self,
        sql: SQL,
        jobs: Jobs,
        restores: Restores,
        clips: Clips,
        audit: Audit,
        clock: Clock,
        settings: RetentionSettings,
    ) -> None:
        self._sql = sql
        self._jobs = jobs
        self._restores = restores
        self._clips = clips
        self._audit = audit
        self._clock = clock
        self._settings = settings

    async def remove_jobs(self) -> str:
        """One line of result. What they made first: a job that is gone would leave it to nobody."""
        before, total = self._before(self._settings.jobs_days), 0
        while before is not None:
            old = await self._jobs.ended_before(before, limit=ROWS_AT_ONCE)
            for job in old:
                if job.type == RESTORE:
                    await self._restores.discard_outcomes(job.id)
                elif job.type == CLIP:
                    await self._clips.discard(job.id)
            total += await self._jobs.remove([job.id for job in old])
            if len(old) < ROWS_AT_ONCE:
                break
            await asyncio.sleep(BREATH_S)
        return counted(jobs=total)

    async def remove_audit(self) -> str:
        """One line of result."""
        before, total = self._before(self._settings.audit_days), 0
        while before is not None and (removed := await self._audit.remove_older(before)):
            total += removed
            await asyncio.sleep(BREATH_S)
        return counted(entries_of_the_audit_trail=total)

    async def remove_mail(self) -> str:
        """One line of result. What waits, or is being sent, stays."""
        before = self._before(self._settings.mail_days)
        if before is None:
            return ""
        over = and_(outbox.c.status.in_(OVER), outbox.c.created_at < before)
        return counted(mails=await delete_all(self._sql, outbox.c.id, over))

    def _before(self, days: int) -> datetime | None:
        return self._clock.now() - timedelta(days=days) if days else None
