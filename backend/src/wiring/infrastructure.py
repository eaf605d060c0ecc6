"""What is outside this process, and the loops inside it."""

from __future__ import annotations

from backend.src.config.settings import Settings
from backend.src.core.clock import SystemClock
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.core.supervisor import Supervisor
from backend.src.infra.bucket import Bucket
from backend.src.infra.cache import Redis
from backend.src.infra.epics import Epics
from backend.src.infra.mail import MailManagement
from backend.src.infra.sql import SQL

get = RuntimeManager.get


def register_infrastructure(settings: Settings, clock: SystemClock) -> None:
    """What is outside this process, and the loops inside it."""
    register, folder = RuntimeManager.register, settings.server.data_dir
    register(Supervisor)
    register(Redis, settings.cache)
    register(SQL, factory=lambda: SQL.build(settings.sql, folder, get(Redis), clock))
    register(Bucket, settings.bucket, folder)
    register(Epics, settings.epics)
    register(MailManagement, settings.mail, clock)
