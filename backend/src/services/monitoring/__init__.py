"""Who keeps the live table true, and who keeps requests away from dead devices."""

from backend.src.services.monitoring.circuit_breaker import (
    CircuitBreaker,
    CircuitOpen,
    CircuitReport,
    Circuits,
    CircuitState,
)
from backend.src.services.monitoring.direct_access import DirectAccess, Written
from backend.src.services.monitoring.leadership import Leadership, State
from backend.src.services.monitoring.publishing import Publisher
from backend.src.services.monitoring.pv_monitor import MonitorStatus, PVMonitor
from backend.src.services.monitoring.read_your_writes import ReadYourWrites
from backend.src.services.monitoring.replica import Replica
from backend.src.services.monitoring.watchdog import Audit, Watchdog

__all__ = [
    "Audit",
    "CircuitBreaker",
    "CircuitOpen",
    "CircuitReport",
    "CircuitState",
    "Circuits",
    "DirectAccess",
    "Leadership",
    "MonitorStatus",
    "PVMonitor",
    "Publisher",
    "ReadYourWrites",
    "Replica",
    "State",
    "Watchdog",
    "Written",
]
