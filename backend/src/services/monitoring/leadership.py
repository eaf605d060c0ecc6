"""Who monitors: the one that holds the lease.

Every lease has an epoch, which only grows. A leader stops publishing at its own deadline, which lies before the
lease runs out in Redis; and whoever reads what is published refuses an epoch older than one it has seen.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from enum import StrEnum
from typing import Protocol

from backend.src.core.clock import Clock
from backend.src.core.errors import Unavailable

log = logging.getLogger(__name__)

RENEWALS_PER_TTL = 3
SAFE_PART_OF_TTL = 0.9  # clocks of two machines tick at rates that differ by far less than the rest


class Lease(Protocol):
    """infra.cache's lease, as far as the monitor needs it."""

    async def acquire(self) -> int | None:
        """The epoch, or None while another holds it. Raises Unavailable."""

    async def renew(self) -> bool:
        """False when it is lost. Raises Unavailable."""

    async def release(self) -> None:
        """Lets another have it; harmless when it is not held. Raises Unavailable."""


class State(StrEnum):
    """leading: watches and publishes. alone: watches for this process, as Redis is away. standby: another leads."""

    LEADING = "leading"
    ALONE = "alone"
    STANDBY = "standby"


class Leadership:
    """One process's claim to be the monitor. Without a lease (embedded) it always leads.

    may_lead: False in a process that only copies what the leader publishes.
    """

    def __init__(
        self,
        lease: Lease | None,
        clock: Clock,
        *,
        ttl_s: float,
        instance: str | None = None,
        may_lead: bool = True,
    ) -> None:
        self._lease = lease
        self._may_lead = may_lead
        self._clock = clock
        self._ttl_s = ttl_s
        self.instance = instance or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.epoch = 0
        self._until = 0.0
        self._another_leads = False

    @property
    def interval_s(self) -> float:
        """Seconds between two calls of check_once."""
        return self._ttl_s / RENEWALS_PER_TTL

    @property
    def state(self) -> State:
        """What this process does now."""
        if not self._may_lead:
            return State.STANDBY
        if self._lease is None or self._clock.monotonic() < self._until:
            return State.LEADING
        return State.STANDBY if self._another_leads else State.ALONE

    @property
    def watching(self) -> bool:
        """Whether this process monitors the machine, be it for itself alone."""
        return self.state is not State.STANDBY

    @property
    def publishing(self) -> bool:
        """Whether others may hear this process: asked before every single message."""
        return self.state is State.LEADING

    async def check_once(self) -> None:
        """Acquires or renews the lease."""
        if self._lease is None or not self._may_lead:
            return
        before = self.state
        try:
            await self._claim(self._lease)
        except Unavailable:
            # nobody can lead without Redis, so watching on harms nobody; the deadline ends the publishing
            self._another_leads = False
        if self.state is not before:
            log.warning("monitor %s: %s, epoch %d", self.instance, self.state, self.epoch)

    async def _claim(self, lease: Lease) -> None:
        asked_at = self._clock.monotonic()  # before asking: the lease runs from some moment after
        if self.epoch and await lease.renew():
            self._until = asked_at + self._ttl_s * SAFE_PART_OF_TTL
            return
        self._until, self.epoch = 0.0, 0
        epoch = await lease.acquire()
        self._another_leads = epoch is None
        if epoch is not None:
            self.epoch = epoch
            self._until = asked_at + self._ttl_s * SAFE_PART_OF_TTL

    async def resign(self) -> None:
        """Publishes nothing more, then gives the lease back."""
        self._until, self.epoch, self._another_leads = 0.0, 0, True
        if self._lease is not None:
            try:
                await self._lease.release()
            except Unavailable:
                log.warning("the monitor's lease could not be given back; it runs out by itself")
