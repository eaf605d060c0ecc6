"""What is kept for how long, and the removal of the rest."""

from backend.src.services.retention.batches import counted
from backend.src.services.retention.expired import ExpiredRows
from backend.src.services.retention.history import History
from backend.src.services.retention.retention import LONGEST_DAYS, Expired, Preview, Retention
from backend.src.services.retention.rules import Rule, RuleNotFound

__all__ = [
    "LONGEST_DAYS",
    "Expired",
    "ExpiredRows",
    "History",
    "Preview",
    "Retention",
    "Rule",
    "RuleNotFound",
    "counted",
]
