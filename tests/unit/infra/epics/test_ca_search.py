"""The datagrams of a search: every name asked for, answers understood, rubbish ignored."""

from __future__ import annotations

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.core.errors import Unavailable
from backend.src.infra.epics.ca_channels import Channel
from backend.src.infra.epics.ca_search import (
    DO_NOT_REPLY,
    FRAME_BYTES,
    HEADER,
    SEARCH,
    TRIES,
    VERSION,
    ChannelSearch,
    _answered,
    _frames,
    search_addresses,
)  # fmt: skip

NAMES = st.lists(st.text("ABCabc:.012µ$", min_size=1, max_size=200), min_size=1, max_size=60)


def parsed(payload: bytes) -> list[tuple[int, str]]:
    found, at = [], 0
    while at < len(payload):
        command, size, reply, _, number, again = HEADER.unpack_from(payload, at)
        body = payload[at + HEADER.size : at + HEADER.size + size]
        if command == SEARCH:
            assert (reply, number) == (DO_NOT_REPLY, again)
            assert size % 8 == 0
            found.append((number, body.split(b"\0")[0].decode()))
        else:
            assert (command, at) == (VERSION, 0)
        at += HEADER.size + size
    return found


@given(NAMES)
def test_every_name_is_asked_for_once_in_frames_of_bounded_size(names: list[str]) -> None:
    frames = _frames([Channel(name) for name in names], range(len(names)))
    asked = [question for frame in frames for question in parsed(frame.payload)]
    assert asked == list(enumerate(names))
    assert all(len(frame.payload) <= FRAME_BYTES for frame in frames)


def test_answers_are_numbers() -> None:
    reply = HEADER.pack(VERSION, 0, 0, 13, 0, 0)
    for number in (4, 70_000):
        reply += HEADER.pack(SEARCH, 8, 5064, 0, 0xFFFFFFFF, number) + bytes(8)
    assert _answered(reply) == [4, 70_000]


@given(st.binary(max_size=200))
def test_rubbish_ends_a_datagram_quietly(reply: bytes) -> None:
    _answered(reply)


def test_addresses_are_those_of_libca(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "127.0.0.1 127.0.0.2:5070")
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", "5999")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        assert sorted(search_addresses(probe.fileno())) == [("127.0.0.1", 5999), ("127.0.0.2", 5070)]


def test_absent_names_are_asked_for_three_times_and_then_left_to_libca(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Channel] = []
    channels = [Channel("A"), Channel("B")]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.setblocking(False)
        monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
        search = ChannelSearch(channels, opened.append)
        now = time.monotonic()  # before: the search ends two seconds after its beginning, asked or not
        search.begin()
        while not search.advance(now):
            now += 0.01
        asked = [parsed(deaf.recv(2 * FRAME_BYTES)) for _ in range(TRIES)]
        with pytest.raises(BlockingIOError):
            deaf.recv(1)
    assert TRIES == 3 and asked == [[(0, "A"), (1, "B")]] * 3
    assert opened == channels


def test_a_search_that_fails_leaves_its_channels_to_libca() -> None:
    """Such as for want of a socket: a channel that is never opened is never found."""
    opened: list[Channel] = []
    channels = [Channel("A"), Channel("B")]
    ChannelSearch(channels, opened.append).fail(OSError("too many open files"))
    assert opened == channels


def test_at_a_shutdown_nothing_more_is_opened() -> None:
    opened: list[Channel] = []
    ChannelSearch([Channel("A")], opened.append).fail(Unavailable("Channel Access is shutting down"))
    assert opened == []
