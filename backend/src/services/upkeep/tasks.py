"""The table of what runs by itself: each key of [crons] with what it does and where it may run."""

from __future__ import annotations

from dataclasses import dataclass, fields

from backend.src.config.schedule import Schedule
from backend.src.config.settings import CronSettings
from backend.src.services.accounts import SigningKeys
from backend.src.services.cameras import Clips
from backend.src.services.crons import BackgroundTasks, Run, Task
from backend.src.services.mailing import Outbox
from backend.src.services.monitoring import Watchdog
from backend.src.services.providers import Providers
from backend.src.services.restore import Restores
from backend.src.services.retention import ExpiredRows, History, Retention, counted
from backend.src.services.snapshots import ScheduledSnapshots, Snapshots

_MEANINGS = {option.name: option.metadata["meaning"] for option in fields(CronSettings)}


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What the tasks work with. works: whether this process does what any worker may do."""

    outbox: Outbox
    signing_keys: SigningKeys
    providers: Providers
    expired: ExpiredRows
    history: History
    retention: Retention
    snapshots: Snapshots
    restores: Restores
    clips: Clips
    scheduled: ScheduledSnapshots
    watchdog: Watchdog
    works: bool

    def tasks(self, crons: CronSettings) -> BackgroundTasks:
        """The table, in the order of the configuration."""
        history, watchdog = self.history, self.watchdog
        return BackgroundTasks(
            (
                self._task("outbox", crons.outbox, self._deliver, audited=False),
                self._task("tokens", crons.tokens, self.expired.run),
                self._task("signing_keys", crons.signing_keys, self._rotate),
                self._task("provider_tokens", crons.provider_tokens, self._renew, audited=False),
                self._task("mail", crons.mail, history.remove_mail),
                self._task("jobs", crons.jobs, history.remove_jobs),
                self._task("audit", crons.audit, history.remove_audit),
                self._task("retention", crons.retention, self.retention.run),
                self._task("archives", crons.archives, self._remove_orphans),
                Task("watchdog", _MEANINGS["watchdog"], Schedule.parse(crons.watchdog), watchdog.run, watchdog.may_run),
                self._task("snapshot", crons.snapshot, self.scheduled.run),
            )
        )

    def _task(self, name: str, schedule: str, run: Run, *, audited: bool = True) -> Task:
        """One that any worker may run."""
        return Task(name, _MEANINGS[name], Schedule.parse(schedule), run, lambda: self.works, audited)

    async def _deliver(self) -> str:
        return str(await self.outbox.deliver_once())

    async def _rotate(self) -> str:
        return "a new key signs access tokens" if await self.signing_keys.rotate_if_due() else ""

    async def _renew(self) -> str:
        renewed = await self.providers.renew_once()
        return f"renewed the tokens of {renewed} identities" if renewed else ""

    async def _remove_orphans(self) -> str:
        archives, plans = await self.snapshots.clean_up(), await self.restores.clean_up()
        clips = await self.clips.clean_up()
        return counted(archives_without_a_snapshot=archives, plans_that_ran_out=plans, old_clips=clips)
