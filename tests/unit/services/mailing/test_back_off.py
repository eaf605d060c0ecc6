"""When a mail is tried again."""

from __future__ import annotations

import pytest

from backend.src.services.mailing.back_off import JITTER, REFUSED_FOR_NOW, SERVER_AWAY, BackOff


@pytest.mark.parametrize("back_off", [REFUSED_FOR_NOW, SERVER_AWAY])
def test_each_wait_is_twice_as_long_up_to_the_limit(back_off: BackOff) -> None:
    for attempts in (1, 2, 3, 10, 1_000_000):
        plain = min(back_off.first_s * 2 ** min(attempts - 1, 32), back_off.longest_s)
        waits = {back_off.after(attempts).total_seconds() for _ in range(50)}
        assert len(waits) > 10, "many that failed together would come back together"
        assert all(plain * (1 - JITTER) <= wait <= plain * (1 + JITTER) for wait in waits)
