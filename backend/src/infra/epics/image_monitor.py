"""Watching one image PV over PVAccess."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from p4p.client.raw import Context, Disconnected, Finished

from backend.src.infra.epics.nd_array import BadFrame, NDImage, decode

REQUEST = "field()record[queueSize=4]"  # frames are large: the newest few, the rest is dropped before it costs memory


@dataclass(frozen=True, slots=True)
class Taken:
    """What came since the last time. image: the newest good frame; bad: why others were none; frames: good ones;
    connected: as of now, None when nothing changed."""

    image: NDImage | None
    frames: int
    bad: tuple[str, ...]
    connected: bool | None


class ImageMonitor:
    """A subscription. `notify` is called on a thread of p4p when there is something to take."""

    def __init__(self, context: Context, name: str, notify: Callable[[], None], most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._notify = notify
        self._subscription: Any = None
        # the first call may come before the assignment is done: `take` then finds None and is told again
        self._subscription = context.monitor(name, notify, request=REQUEST)
        notify()

    def take(self) -> Taken:
        """Empties the queue and decodes what was in it; call it off the event loop, one call at a time."""
        image: NDImage | None = None
        bad: list[str] = []
        frames, connected = 0, None
        subscription = self._subscription  # it may be closed meanwhile
        while subscription is not None and (event := subscription.pop()) is not None:
            if isinstance(event, Disconnected | Finished):
                connected = False
            elif not isinstance(event, Exception):
                connected = True
                try:
                    image = decode(event, self._most_bytes)
                    frames += 1
                except BadFrame as exc:
                    bad.append(str(exc))
        return Taken(image, frames, tuple(bad), connected)

    def close(self) -> None:
        """Ends the subscription; harmless twice."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.close()
