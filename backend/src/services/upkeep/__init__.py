"""What Larder does by itself, put together."""

from backend.src.services.upkeep.tasks import Upkeep

__all__ = ["Upkeep"]
