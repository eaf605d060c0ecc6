"""What processes tell each other about jobs. Only hints: SQL is the record, and every hint may be lost."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Protocol

from backend.src.core.errors import Unavailable
from backend.src.infra.cache import Gap

log = logging.getLogger(__name__)

CHANNEL = "jobs"


class Hint(StrEnum):
    """What happened to a job."""

    CREATED = "created"
    ABORT = "abort"
    ENDED = "ended"


class PubSub(Protocol):
    """infra/cache, as far as jobs need it."""

    async def publish(self, channel: str, message: bytes) -> object:
        """Tells whoever listens. Raises Unavailable."""

    def subscribe(self, channel: str) -> AsyncGenerator[bytes | Gap, None]:
        """Messages as they come, for ever; GAP where some may have been lost."""


async def tell(pubsub: PubSub, hint: Hint, job_id: str) -> None:
    """Publishes; a cache that is away costs only time, because everybody also looks into SQL."""
    try:
        await pubsub.publish(CHANNEL, json.dumps([hint.value, job_id]).encode())
    except Unavailable as away:
        log.warning("others will hear late that job %s is %s: %s", job_id, hint.value, away)


def parse(message: bytes | Gap) -> tuple[Hint, str] | None:
    """None for a gap, and for what another version may have sent."""
    if isinstance(message, Gap):
        return None
    try:
        hint, job_id = json.loads(message)
        return Hint(hint), str(job_id)
    except (ValueError, TypeError):
        return None
