"""The inbox of the Channel Access thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from backend.src.infra.epics.inbox import Inbox


def nothing() -> None:
    """A call."""


def test_calls_come_in_order() -> None:
    inbox = Inbox()
    for number in range(3):
        inbox.put((nothing, number))
    inbox.wait(60.0)
    assert [inbox.pop()[1] for _ in range(len(inbox))] == [0, 1, 2]
    assert not inbox
    with pytest.raises(IndexError):
        inbox.pop()


def test_who_waits_is_woken_by_every_thread_and_no_call_is_lost() -> None:
    """Each waits for its call to be done before it leaves the next: one that wakes nobody holds all up for a minute."""
    inbox, threads, calls = Inbox(), 8, 300
    done = [threading.Semaphore(0) for _ in range(threads)]

    def leave(thread: int) -> None:
        for _ in range(calls):
            inbox.put((done[thread].release,))
            assert done[thread].acquire(timeout=50.0)

    began = time.monotonic()
    leaving = [threading.Thread(target=leave, args=(thread,)) for thread in range(threads)]
    for thread in leaving:
        thread.start()
    left = threads * calls
    while left and time.monotonic() - began < 50.0:
        inbox.wait(60.0)
        for _ in range(len(inbox)):
            inbox.pop()[0]()
            left -= 1
    for thread in leaving:
        thread.join()
    assert not left


def test_a_time_that_is_over_before_it_waits_is_over() -> None:
    """queue.SimpleQueue waited for ever then, and with it every read: seen once in some hundred calls as here."""
    inbox = Inbox()

    def wait() -> None:
        for _ in range(3000):
            inbox.put((nothing,))
            inbox.wait(60.0)
            inbox.pop()
            inbox.wait(1e-6)

    with a_busy_machine():
        waiting = threading.Thread(target=wait, daemon=True)
        waiting.start()
        waiting.join(30.0)
        assert not waiting.is_alive()


@contextmanager
def a_busy_machine() -> Iterator[None]:
    """Other threads that take turns, so that any thread may lose its own at any place."""
    over = threading.Event()

    def burn() -> None:
        while not over.is_set():
            sum(range(200))

    threads = [threading.Thread(target=burn) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
