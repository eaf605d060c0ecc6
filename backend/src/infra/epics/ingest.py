"""What a monitor ingest offers, whatever it is made of.

One ingest holds the latest value of each monitored slot and hands over what changed. It coalesces, and never
loses the latest value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backend.src.infra.epics.outcomes import Changes


class Ingest(Protocol):
    """`monitor`, `resubscribe` and `drain` may be called from any thread and return at once."""

    @property
    def kind(self) -> str:
        """What it is made of, for health and the log."""

    def __len__(self) -> int:
        """How many slots are watched."""

    @property
    def coalesced(self) -> int:
        """Updates that a later one replaced before a drain."""

    def monitor(self, add: Sequence[tuple[int, str]], remove: Sequence[int]) -> None:
        """Starts to watch (slot, channel name) pairs and stops watching slots. Removals come first."""

    def resubscribe(self, slots: Sequence[int]) -> None:
        """Makes their subscriptions anew, so that each delivers its present value again."""

    def drain(self) -> Changes:
        """Everything that changed since the last drain."""
