"""Finding out which of many names exist, before libca searches for them.

libca searches fast only while every name in a round is answered: one absent name in a datagram and it falls
back to one datagram a round, some 3,000 names a second. With one name in a hundred absent, 40,000 channels take
13 s to connect. So we ask first, with the same datagrams (CA_PROTO_SEARCH) to the same addresses, and open the
channels that were answered; the rest follow and keep libca busy, but nobody waiting. What we find is a hint
only: every channel is opened in the end, whatever was answered here.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence

from backend.src.core.errors import Unavailable
from backend.src.infra.epics import libca
from backend.src.infra.epics.ca_channels import Channel

log = logging.getLogger(__name__)

HEADER = struct.Struct(">HHHHII")  # command, payload bytes, data type, data count, parameters 1 and 2
VERSION, SEARCH = 0, 6
MINOR_VERSION = 13
DO_NOT_REPLY = 5  # where the name is unknown
FRAME_BYTES = 1024  # as libca
WINDOW = 32  # frames under way: what a server's socket buffer holds even when it is busy
ROUND_TRIP_S = 0.05
TRIES = 3
RETRY_S = 0.15
LONGEST_S = 2.0
DEFAULT_PORT = 5064
MOST_REPLY_BYTES = 65_536

Address = tuple[str, int]


class _Frame:
    """One datagram: names as numbers, and how many of them were answered."""

    __slots__ = ("answers", "numbers", "payload", "sent_at")

    def __init__(self, numbers: list[int], payload: bytes) -> None:
        self.numbers = numbers
        self.payload = payload
        self.sent_at = 0.0
        self.answers = 0


class ChannelSearch:
    """An operation of the CA thread: opens the channels that are answered, and at its end the others."""

    def __init__(self, channels: Sequence[Channel], open_channel: Callable[[Channel], None]) -> None:
        self._channels = channels
        self._open = open_channel
        self._unanswered = dict.fromkeys(range(len(channels)))
        self._frame_of: dict[int, _Frame] = {}
        self._to_send: deque[_Frame] = deque()
        self._under_way: deque[_Frame] = deque()
        self._socket: socket.socket | None = None
        self._addresses: list[Address] = []
        self._round = 0
        self._round_ended_at = 0.0
        self._deadline = 0.0

    def begin(self) -> None:
        """Opens a socket of its own, so that late answers to an earlier search cannot be mistaken."""
        self._deadline = time.monotonic() + LONGEST_S
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self._addresses = search_addresses(self._socket.fileno())
        self._next_round()

    def channels_connected(self, channels: Sequence[Channel]) -> None:
        """Nothing to do: they were opened here."""

    def _next_round(self) -> None:
        self._round += 1
        self._to_send.extend(_frames(self._channels, list(self._unanswered)))
        for frame in self._to_send:
            self._frame_of.update(dict.fromkeys(frame.numbers, frame))

    def advance(self, now: float) -> bool:
        """Takes answers and sends as many frames as the window lets; over when all is answered or asked TRIES times."""
        self._receive()
        while self._under_way and _is_through(self._under_way[0], now):
            self._under_way.popleft()
        while self._to_send and len(self._under_way) < WINDOW:
            self._send(self._to_send.popleft(), now)
        if self._to_send or self._under_way:
            self._round_ended_at = now
        if self._unanswered and now < self._deadline:
            if now - self._round_ended_at < RETRY_S:
                return False
            if self._round < TRIES:
                self._next_round()
                return False
        self._finish()
        return True

    def _send(self, frame: _Frame, now: float) -> None:
        assert self._socket is not None
        frame.sent_at = now
        self._under_way.append(frame)
        for address in self._addresses:
            try:
                self._socket.sendto(frame.payload, address)
            except OSError as error:  # an interface that is down, a full buffer: the next round or libca asks again
                log.debug("searching at %s:%d: %s", *address, error)

    def _receive(self) -> None:
        assert self._socket is not None
        while True:
            try:
                reply = self._socket.recv(MOST_REPLY_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                log.debug("searching: %s", error)
                return
            for number in _answered(reply):
                if number in self._unanswered:
                    del self._unanswered[number]
                    self._frame_of[number].answers += 1
                    self._open(self._channels[number])

    def _finish(self) -> None:
        if self._socket is not None:
            self._socket.close()
        for number in self._unanswered:
            self._open(self._channels[number])
        self._unanswered.clear()

    def fail(self, error: Exception) -> None:
        """Leaves the search to libca, which asks for a channel once it is open; not when all is shutting down."""
        log.debug("search ended early: %s", error)
        if isinstance(error, Unavailable):
            self._unanswered.clear()
        self._finish()


def _is_through(frame: _Frame, now: float) -> bool:
    return 2 * frame.answers >= len(frame.numbers) or now - frame.sent_at > ROUND_TRIP_S


def _frames(channels: Sequence[Channel], numbers: Sequence[int]) -> list[_Frame]:
    start = HEADER.pack(VERSION, 0, 0, MINOR_VERSION, 0, 0)
    frames, held, payload = [], list[int](), bytearray(start)
    for number in numbers:
        question = _question(channels[number].name, number)
        if len(payload) + len(question) > FRAME_BYTES and held:
            frames.append(_Frame(held, bytes(payload)))
            held, payload = [], bytearray(start)
        held.append(number)
        payload += question
    if held:
        frames.append(_Frame(held, bytes(payload)))
    return frames


def _question(name: str, number: int) -> bytes:
    raw = name.encode()
    size = len(raw) // 8 * 8 + 8  # with its NUL, in whole eights
    return HEADER.pack(SEARCH, size, DO_NOT_REPLY, MINOR_VERSION, number, number) + raw.ljust(size, b"\0")


def _answered(reply: bytes) -> list[int]:
    """The numbers in one datagram; what is not understood ends it."""
    numbers, at = [], 0
    while at + HEADER.size <= len(reply):
        command, size, _, _, _, number = HEADER.unpack_from(reply, at)
        if command == SEARCH:
            numbers.append(number)
        at += HEADER.size + size
    return numbers


class _ListNode(ctypes.Structure):
    """osiSockAddrNode of libCom; the port and the address are in network order."""


_ListNode._fields_ = [
    ("next", ctypes.POINTER(_ListNode)),
    ("previous", ctypes.c_void_p),
    ("family", ctypes.c_uint16),
    ("port", ctypes.c_uint8 * 2),
    ("address", ctypes.c_uint8 * 4),
    ("zero", ctypes.c_uint8 * 8),
]


class _List(ctypes.Structure):
    """ELLLIST of libCom."""

    _fields_ = [("first", ctypes.POINTER(_ListNode)), ("last", ctypes.c_void_p), ("count", ctypes.c_int)]


def search_addresses(descriptor: int) -> list[Address]:
    """Where libca searches: made of the environment and the interfaces, by libca's own function."""
    port = int(os.environ.get("EPICS_CA_SERVER_PORT") or DEFAULT_PORT)
    found = _List()
    libca.configure_address_list(ctypes.byref(found), descriptor, port)
    addresses, node = [], found.first
    while node:
        entry = node.contents
        addresses.append((".".join(str(part) for part in entry.address), int.from_bytes(bytes(entry.port), "big")))
        node = entry.next
    return addresses
