"""The CA repeater, as a thread of this process.

libca wants a repeater on the machine, which hands one UDP port's beacons to all clients. Where none runs it
starts a process named caRepeater that would outlive us. A thread that listens first makes that needless.
"""

from __future__ import annotations

import threading
import time

from backend.src.infra.epics import libca

RETRY_S = 10.0
_started = threading.Lock()


def start_repeater() -> None:
    """Starts the thread, once a process. It ends with the process; where another repeater runs it waits its turn."""
    if _started.acquire(blocking=False):
        threading.Thread(target=_repeat_for_ever, name="ca-repeater", daemon=True).start()


def _repeat_for_ever() -> None:
    while True:
        libca.repeater_thread(None)  # returns at once when the port is taken
        time.sleep(RETRY_S)
