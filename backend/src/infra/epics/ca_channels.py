"""The channels of one Channel Access context, shared by monitors, reads and writes.

Everything here belongs to the CA thread but the connection callback, which only queues what happened.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from backend.src.infra.epics import dbr, libca

MANY = 200  # from so many new channels on they are searched for before they are opened, see ca_search.py
IDLE_S = 60.0  # how long a channel that nobody uses stays open for the next read


@dataclass(slots=True, eq=False)
class Channel:
    """One channel. native and count are the server's latest word, -1 and 0 before it spoke."""

    name: str
    chid: int = 0
    native: int = -1
    count: int = 0
    connected: bool = False
    searching_since: float = 0.0  # monotonic
    users: int = 0
    idle_since: float = 0.0
    slot: int = -1  # of its monitor

    @property
    def long_string(self) -> bool:
        """A char array that is meant as text."""
        return self.native == dbr.CHAR and self.name.endswith("$")

    @property
    def scalar(self) -> bool:
        """One element by the server's declaration, and no text in it."""
        return self.count == 1 and not self.long_string


class Channels:
    """Opens channels once, counts who uses them and closes those that nobody has used for a while."""

    def __init__(self, post: Callable[[tuple[object, ...]], None], search: Callable[[Sequence[Channel]], None]) -> None:
        """`post` queues a call, (function, *arguments), for the CA thread; `search` shall `open` what it gets."""
        self._search = search
        self._by_name: dict[str, Channel] = {}
        self._by_chid: dict[int, Channel] = {}
        self._idle: set[Channel] = set()
        self._came_up: list[Channel] = []
        self._went_down: list[Channel] = []
        self._connected = 0
        self._on_connection = libca.ConnectionHandler(_connection_callback(post, self._note))

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def connected(self) -> int:
        """How many are connected."""
        return self._connected

    def acquire(self, names: Iterable[str]) -> list[Channel]:
        """The channels of these names, opened where they are not, one use counted for each name."""
        by_name, now = self._by_name, time.monotonic()
        acquired, new = [], []
        for name in names:
            channel = by_name.get(name)
            if channel is None:
                channel = by_name[name] = Channel(name, searching_since=now)
                new.append(channel)
            channel.users += 1
            acquired.append(channel)
        if self._idle:
            self._idle.difference_update(acquired)
        if len(new) >= MANY:
            self._search(new)
        else:
            for channel in new:
                self.open(channel)
        return acquired

    def open(self, channel: Channel) -> None:
        """Has libca search for it and connect."""
        chid = ctypes.c_size_t()
        status = libca.create_channel(channel.name.encode(), self._on_connection, None, 0, ctypes.byref(chid))
        if status == libca.ECA_NORMAL:  # else it never connects, which is all that can be said of such a name
            channel.chid = chid.value
            self._by_chid[chid.value] = channel

    def release(self, channels: Iterable[Channel]) -> None:
        """The counterpart of acquire."""
        now = time.monotonic()
        for channel in channels:
            channel.users -= 1
            if channel.users == 0:
                channel.idle_since = now
                self._idle.add(channel)

    def close_idle(self, now: float) -> None:
        """Closes what nobody has used for IDLE_S: an absent PV is not searched for ever."""
        for channel in [channel for channel in self._idle if now - channel.idle_since > IDLE_S]:
            self._idle.discard(channel)
            self._close(channel)

    def _close(self, channel: Channel) -> None:
        del self._by_name[channel.name]
        if channel.chid:
            del self._by_chid[channel.chid]
            libca.clear_channel(channel.chid)
        if channel.connected:
            channel.connected = False
            self._connected -= 1

    def _note(self, chid: int, op: int) -> None:
        channel = self._by_chid.get(chid)
        if channel is None:
            return
        if op == libca.CA_OP_CONN_UP:
            self._note_up(channel)
        elif channel.connected:
            channel.connected = False
            channel.searching_since = time.monotonic()
            self._connected -= 1
            self._went_down.append(channel)

    def _note_up(self, channel: Channel) -> None:
        native = libca.field_type(channel.chid)
        if native not in dbr.NATIVE_TYPES or channel.connected:
            return  # gone again: its going down is the next event
        channel.native, channel.count = native, libca.element_count(channel.chid)
        channel.connected = True
        self._connected += 1
        self._came_up.append(channel)

    def take_connected(self) -> Sequence[Channel]:
        """Those that connected since the last call."""
        taken, self._came_up = self._came_up, []
        return taken

    def take_disconnected(self) -> Sequence[Channel]:
        """Those that lost their connection since the last call."""
        taken, self._went_down = self._went_down, []
        return taken


def _connection_callback(
    post: Callable[[tuple[object, ...]], None], note: Callable[[int, int], None]
) -> Callable[[libca.ConnectionArguments], None]:
    known_threads: set[int] = set()

    def on_connection(arguments: libca.ConnectionArguments) -> None:
        # libca's receive threads live as long as their circuit: a thread state of their own spares Python
        # making one for each callback
        if threading.get_ident() not in known_threads:
            known_threads.add(threading.get_ident())
            libca.keep_thread_state()
        post((note, arguments.chid, arguments.op))

    return on_connection
