"""Reading units, precision, limits and choices of channels that are connected."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from backend.src.infra.epics import dbr
from backend.src.infra.epics.ca_channels import Channel
from backend.src.infra.epics.frame import Rows
from backend.src.infra.epics.sync_group import SyncGroup

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0


def by_native(channels: Iterable[Channel]) -> dict[int, list[Channel]]:
    """Channels by their native type."""
    groups: dict[int, list[Channel]] = {}
    for channel in channels:
        groups.setdefault(channel.native, []).append(channel)
    return groups


class MetadataRead:
    """One bulk read; reports native type, channels and DBR_CTRL structures for each type (none for strings)."""

    def __init__(self, channels: Sequence[Channel], report: Callable[[int, Sequence[Channel], Rows], None]) -> None:
        self._channels = channels
        self._report = report
        self._groups: list[SyncGroup] = []
        self._deadline = time.monotonic() + TIMEOUT_S

    def begin(self) -> None:
        """Asks; text has no metadata and is reported at once."""
        for native, channels in by_native(self._channels).items():
            if native == dbr.STRING:
                self._report(native, channels, np.zeros(len(channels), dbr.CONTROL_LAYOUTS[native]))
                continue
            group = SyncGroup.controls(channels, native)
            group.send()
            self._groups.append(group)

    def channels_connected(self, channels: Sequence[Channel]) -> None:
        """Only those it was made for concern it."""

    def advance(self, now: float) -> bool:
        """Over when all came, or after TIMEOUT_S."""
        if now < self._deadline and not all(group.is_complete() for group in self._groups):
            return False
        for group in self._groups:
            group.close()
            came = dbr.arrived(group.buffer)
            channels = [channel for channel, there in zip(group.channels, came.tolist(), strict=True) if there]
            self._report(group.native, channels, group.buffer[came])
        return True

    def fail(self, error: Exception) -> None:
        """The next connection or refresh tries again."""
        for group in self._groups:
            group.close()
        log.debug("metadata of %d channels were not read: %s", len(self._channels), error)
