"""What each role runs: which services it starts, in which order, and what else it may do."""

from __future__ import annotations

from backend.src.config.settings import Role
from backend.src.infra.bucket import Bucket
from backend.src.infra.cache import Redis
from backend.src.infra.epics import Epics
from backend.src.infra.fffamily import FFFamily
from backend.src.infra.mail import MailManagement
from backend.src.infra.sql import SQL
from backend.src.services.accounts import ApiKeys, Sessions
from backend.src.services.accounts.passwords import Passwords
from backend.src.services.accounts.users import Users
from backend.src.services.cameras import Cameras
from backend.src.services.crons import Crons
from backend.src.services.jobs import Jobs
from backend.src.services.mailing import Outbox
from backend.src.services.monitoring import Publisher, PVMonitor, Replica
from backend.src.services.providers import Providers
from backend.src.services.restore import Restores
from backend.src.services.snapshots import Snapshots
from backend.src.services.streaming import SubscriptionRegistry

# What each role starts, in this order; it stops in reverse. Everything else is made when first asked for.
INFRASTRUCTURE: tuple[type, ...] = (Redis, SQL, Bucket, Epics, MailManagement)
LETTERS: tuple[type, ...] = (Outbox, ApiKeys, Sessions)  # what writes by itself: mail, and when keys were used
PEOPLE: tuple[type, ...] = (*LETTERS, Passwords, Users, Providers)
CAMERAS: tuple[type, ...] = (FFFamily, Cameras)
TABLE: tuple[type, ...] = (PVMonitor, Publisher, Replica)  # the live table: watched here, or copied from the leader
STARTED: dict[Role, tuple[type, ...]] = {
    Role.ALL: (*INFRASTRUCTURE, *PEOPLE, *TABLE, *CAMERAS, Snapshots, Restores, Jobs, SubscriptionRegistry, Crons),
    Role.API: (*INFRASTRUCTURE, *PEOPLE, *TABLE, *CAMERAS, Snapshots, Restores, Jobs, SubscriptionRegistry),
    Role.MONITOR: (*INFRASTRUCTURE, *LETTERS, *TABLE, Crons),
    Role.WORKER: (*INFRASTRUCTURE, *LETTERS, Providers, *TABLE, *CAMERAS, Snapshots, Restores, Jobs, Crons),
}
# Without which a process of this role is of no use: nobody should wait for it, or send it requests.
NEEDED: dict[Role, frozenset[str]] = {
    Role.ALL: frozenset({"sql"}),
    Role.API: frozenset({"sql"}),
    Role.MONITOR: frozenset({"sql", "epics"}),
    Role.WORKER: frozenset({"sql", "epics", "bucket"}),
}
WORKING = (Role.ALL, Role.WORKER)
MONITORING = (Role.ALL, Role.MONITOR)
