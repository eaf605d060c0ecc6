"""Free ports on loopback.

They lie below the range from which Linux takes the ports of outgoing connections (32768 and up), so that
between choosing one and binding it no client can take it.
"""

from __future__ import annotations

import random
import socket

FIRST, LAST = 28_000, 31_999  # those below are for tests
_taken: set[int] = set()


def free_port(first: int = FIRST, last: int = LAST) -> int:
    """A port free on 127.0.0.1 for TCP and UDP, never given out twice by this process."""
    for _ in range(1000):
        port = random.SystemRandom().randint(first, last)
        if port not in _taken and _bindable(port):
            _taken.add(port)
            return port
    raise RuntimeError(f"no free port between {first} and {last}")


def _bindable(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
