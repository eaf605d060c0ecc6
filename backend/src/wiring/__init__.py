"""How everything is made, an area a file; what each role starts and answers. The only package that sees everything."""

from backend.src.config.settings import Settings
from backend.src.core.clock import SystemClock
from backend.src.wiring.cameras import register_cameras
from backend.src.wiring.endpoints import endpoint_builders
from backend.src.wiring.infrastructure import register_infrastructure
from backend.src.wiring.machine import register_machine
from backend.src.wiring.people import register_people
from backend.src.wiring.roles import INFRASTRUCTURE, STARTED, WORKING
from backend.src.wiring.upkeep import register_upkeep
from backend.src.wiring.work import register_work

__all__ = ["INFRASTRUCTURE", "STARTED", "WORKING", "endpoint_builders", "register"]


def register(settings: Settings) -> None:
    """Says how everything is made. Nothing is made yet."""
    clock = SystemClock()
    register_infrastructure(settings, clock)
    register_people(settings, clock)
    register_machine(settings, clock)
    register_cameras(settings, clock)
    register_work(settings, clock)
    register_upkeep(settings, clock)
