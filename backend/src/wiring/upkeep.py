"""What runs by itself."""

from __future__ import annotations

from backend.src.config.settings import Role, Settings
from backend.src.core.clock import SystemClock
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.accounts import SigningKeys
from backend.src.services.audit import Audit
from backend.src.services.cameras import Clips
from backend.src.services.crons import BackgroundTasks, Crons
from backend.src.services.jobs import Jobs
from backend.src.services.mailing import Outbox
from backend.src.services.monitoring import Watchdog
from backend.src.services.providers import Providers
from backend.src.services.restore import Restores
from backend.src.services.retention import ExpiredRows, History, Retention
from backend.src.services.snapshots import ScheduledSnapshots, Snapshots
from backend.src.services.upkeep import Upkeep
from backend.src.wiring.roles import WORKING

get = RuntimeManager.get


def register_upkeep(settings: Settings, clock: SystemClock) -> None:
    """What runs by itself."""
    register, longest_s = RuntimeManager.register, settings.accounts.lockout_longest_s
    register(ExpiredRows, factory=lambda: ExpiredRows(get(SQL), clock, lockout_longest_s=longest_s))
    register(
        History,
        factory=lambda: History(get(SQL), get(Jobs), get(Restores), get(Clips), get(Audit), clock, settings.retention),
    )
    register(Retention, factory=lambda: Retention(get(SQL), get(Snapshots), clock, settings.retention))
    register(ScheduledSnapshots, factory=lambda: ScheduledSnapshots(get(Snapshots), clock))
    register(BackgroundTasks, factory=lambda: _upkeep(settings).tasks(settings.crons))
    here = settings.crons.enabled and settings.server.role is not Role.API
    register(
        Crons,
        factory=lambda: Crons(
            get(BackgroundTasks), get(SQL), get(Audit), clock, get(Supervisor), settings.jobs, runs_here=here
        ),
    )


def _upkeep(settings: Settings) -> Upkeep:
    return Upkeep(
        outbox=get(Outbox),
        signing_keys=get(SigningKeys),
        providers=get(Providers),
        expired=get(ExpiredRows),
        history=get(History),
        retention=get(Retention),
        snapshots=get(Snapshots),
        restores=get(Restores),
        clips=get(Clips),
        scheduled=get(ScheduledSnapshots),
        watchdog=get(Watchdog),
        works=settings.server.role in WORKING,
    )
