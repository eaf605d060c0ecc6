"""Restores: putting a snapshot's setpoints back, safely."""

from backend.src.services.restore.models import (
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

__all__ = [
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
]
