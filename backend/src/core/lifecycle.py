"""What every long-lived part of Larder can do: start, stop, answer a ping."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Service(Protocol):
    """Opens nothing when built and closes nothing when collected: that is what start and stop are for."""

    async def start(self) -> None:
        """Opens what it needs. Raises a LarderError that names the remedy."""

    async def stop(self) -> None:
        """Closes it; harmless when never started."""

    async def ping(self) -> None:
        """Returns when it works. Raises Unavailable, with the cause, when it does not."""
