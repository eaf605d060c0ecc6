"""When to try again: each time twice as late, up to a limit, with jitter so that not all come at once."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

JITTER = 0.25


@dataclass(frozen=True, slots=True)
class BackOff:
    """first_s after the first attempt, longest_s at most."""

    first_s: float
    longest_s: float

    def after(self, attempts: int) -> timedelta:
        """How long to wait after so many attempts."""
        delay_s = min(self.first_s * 2 ** min(attempts - 1, 32), self.longest_s)
        return timedelta(seconds=delay_s * random.uniform(1 - JITTER, 1 + JITTER))


REFUSED_FOR_NOW = BackOff(60.0, 3_600.0)  # greylisting wants minutes, a full mailbox hours
SERVER_AWAY = BackOff(15.0, 300.0)  # no mail is the cause, so all may go soon after the server is back
