"""Who listens to which channels.

A client is a set of slots and the number of the last change it was sent. What it is to get is computed from the
live table when it can take it: nothing is queued per update, so that a slow client loses intermediate values,
never the newest, costs no memory and delays nobody.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backend.src.config.settings import StreamingSettings
from backend.src.core.errors import TooMany
from backend.src.services.live.table import LiveTable, Slots


@dataclass(frozen=True, slots=True)
class Pending:
    """Channels that a client has not been told of in their present state; sequence: what it will have seen then."""

    names: list[str]
    slots: Slots
    sequence: int


@dataclass(frozen=True, slots=True)
class StreamingCounts:
    """How many clients listen to how many PVs; since the start: messages to them, what slowness cost.

    skipped: diffs that a client did not get because it was still reading the one before (the next has their newest
    values); sent_away: clients that did not read at all; refused: those beyond the limit.
    """

    clients: int
    subscriptions: int
    unique_pvs: int
    messages: int
    skipped: int
    sent_away: int
    refused: int


class Client:
    """One socket's subscriptions: names as it wrote them, and the slots behind them."""

    def __init__(self, number: int, live: LiveTable, most_subscriptions: int) -> None:
        self.number = number
        self.messages = 0
        self.skipped = 0
        self._live = live
        self._most = most_subscriptions
        self._slot_of: dict[str, int] = {}
        self._names: npt.NDArray[np.object_] = np.empty(0, np.object_)
        self._slots: Slots = np.empty(0, np.int32)
        self._sent = live.sequence

    def __len__(self) -> int:
        return len(self._slot_of)

    @property
    def slots(self) -> Slots:
        """int32[n]: what it listens to, with repeats where it uses two names for one channel."""
        return self._slots

    def add(self, names: Iterable[str], slots: Slots) -> None:
        """Listens to these too. Raises TooMany beyond the limit, and then adds none."""
        more = dict(zip(names, slots.tolist(), strict=True))
        total = len(self._slot_of.keys() | more.keys())
        if total > self._most:
            raise TooMany(f"{total} subscriptions are more than the {self._most} that one client may have")
        self._slot_of.update(more)
        self._index()

    def remove(self, names: Iterable[str]) -> list[str]:
        """Stops listening to these; the names that it had listened to."""
        gone = [name for name in dict.fromkeys(names) if self._slot_of.pop(name, None) is not None]
        self._index()
        return gone

    def pending(self) -> Pending:
        """What changed since the last message it was sent."""
        changed = self._live.sequences(self._slots) > self._sent
        return Pending(self._names[changed].tolist(), self._slots[changed], self._live.sequence)

    def told(self, pending: Pending) -> None:
        """These changes are in a message to it."""
        self._sent = pending.sequence
        self.messages += 1

    def _index(self) -> None:
        self._names = np.array(list(self._slot_of), np.object_)
        self._slots = np.fromiter(self._slot_of.values(), np.int32, len(self._slot_of))


class SubscriptionRegistry:
    """The clients of this process, and the event that sends them away."""

    def __init__(self, live: LiveTable, settings: StreamingSettings) -> None:
        self._live = live
        self._settings = settings
        self._clients: dict[int, Client] = {}
        self._numbers = itertools.count(1)
        self._messages_of_gone = self._skipped_of_gone = 0
        self.sent_away = self.refused = 0
        self.closing = asyncio.Event()

    async def start(self) -> None:
        """Takes clients (again)."""
        self.closing.clear()

    async def stop(self) -> None:
        """Sends every client away; new ones are refused."""
        self.closing.set()

    async def ping(self) -> None:
        """Nothing of its own can fail."""

    def enter(self) -> Client:
        """A new client without subscriptions. Raises TooMany beyond the limit and while the server stops."""
        if self.closing.is_set():
            raise TooMany("the server is stopping")
        if len(self._clients) >= self._settings.max_clients:
            self.refused += 1
            raise TooMany(f"{len(self._clients)} clients are connected; no more are taken")
        client = Client(next(self._numbers), self._live, self._settings.max_subscriptions)
        self._clients[client.number] = client
        return client

    def leave(self, client: Client) -> None:
        """Forgets a client; harmless when it is gone."""
        if self._clients.pop(client.number, None) is not None:
            self._messages_of_gone += client.messages
            self._skipped_of_gone += client.skipped

    def counts(self) -> StreamingCounts:
        """How many clients listen to how many PVs."""
        clients = list(self._clients.values())
        slots = [client.slots for client in clients]
        return StreamingCounts(
            clients=len(clients),
            subscriptions=sum(len(client) for client in clients),
            unique_pvs=len(np.unique(np.concatenate(slots))) if slots else 0,
            messages=self._messages_of_gone + sum(client.messages for client in clients),
            skipped=self._skipped_of_gone + sum(client.skipped for client in clients),
            sent_away=self.sent_away,
            refused=self.refused,
        )
