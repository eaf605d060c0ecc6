"""Every table of Larder.

A change here is a new revision in migrations/ too; a contract test compares the two on both engines.
"""

from backend.src.infra.sql.tables.api_keys import api_keys
from backend.src.infra.sql.tables.base import metadata
from backend.src.infra.sql.tables.catalog import channels, pv_tags, pvs, tag_groups, tags, versions
from backend.src.infra.sql.tables.operations import audit, crons, outbox, retention_rules
from backend.src.infra.sql.tables.people import identities, login_failures, one_time_codes, users
from backend.src.infra.sql.tables.sessions import (
    authorization_codes,
    login_attempts,
    refresh_tokens,
    sessions,
    signing_keys,
)
from backend.src.infra.sql.tables.snapshots import doubtful_archives, snapshot_labels, snapshot_tags, snapshots
from backend.src.infra.sql.tables.work import jobs, locks

__all__ = [
    "api_keys",
    "audit",
    "authorization_codes",
    "channels",
    "crons",
    "doubtful_archives",
    "identities",
    "jobs",
    "locks",
    "login_attempts",
    "login_failures",
    "metadata",
    "one_time_codes",
    "outbox",
    "pv_tags",
    "pvs",
    "refresh_tokens",
    "retention_rules",
    "sessions",
    "signing_keys",
    "snapshot_labels",
    "snapshot_tags",
    "snapshots",
    "tag_groups",
    "tags",
    "users",
    "versions",
]
