"""The live machine: the latest reading of every channel, and how true it is."""

from backend.src.services.live.names import Inventories, LiveNames, Named
from backend.src.services.live.table import Counts, Heartbeat, LiveTable

__all__ = ["Counts", "Heartbeat", "Inventories", "LiveNames", "LiveTable", "Named"]
