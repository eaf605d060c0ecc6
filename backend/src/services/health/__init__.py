"""How the service and the machine are."""

from backend.src.services.health.health import Condition, Dependency, Health, Readiness, Summary

__all__ = ["Condition", "Dependency", "Health", "Readiness", "Summary"]
