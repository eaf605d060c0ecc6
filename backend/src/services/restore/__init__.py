"""Restores: putting a snapshot's setpoints back, safely."""

from backend.src.services.restore.in_use import snapshots_in_use
from backend.src.services.restore.models import (
    JOB_TYPE,
    OutcomesNotFound,
    PlanExpired,
    PlanNotFound,
    Proposal,
    RestoreOptions,
    RestoreRequest,
    Result,
    Verdict,
)
from backend.src.services.restore.outcomes import Outcomes
from backend.src.services.restore.restores import Restores, RestoreSettings
from backend.src.services.restore.run import LABEL as BEFORE_RESTORE

__all__ = [
    "BEFORE_RESTORE",
    "JOB_TYPE",
    "Outcomes",
    "OutcomesNotFound",
    "PlanExpired",
    "PlanNotFound",
    "Proposal",
    "RestoreOptions",
    "RestoreRequest",
    "RestoreSettings",
    "Restores",
    "Result",
    "Verdict",
    "snapshots_in_use",
]
