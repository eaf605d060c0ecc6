"""How the service and the machine are."""

from backend.src.services.health.backlog import Backlog, BacklogFigures, CronFigures
from backend.src.services.health.health import Condition, Dependency, Health, Readiness, Summary

__all__ = ["Backlog", "BacklogFigures", "Condition", "CronFigures", "Dependency", "Health", "Readiness", "Summary"]
