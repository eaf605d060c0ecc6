"""Passwords: bcrypt over a fixed-length digest, in threads of their own.

bcrypt takes 72 bytes, and some of its implementations stop at a NUL. So it gets the base64 of HMAC-SHA-384 over the
password: 64 characters, whatever was typed. The HMAC's key is no secret; it makes the digest one that no other
system has, so that a list of plain SHA digests stolen elsewhere cannot be tried against ours.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from backend.src.config.settings import AccountSettings
from backend.src.core.errors import FieldError, Invalid, TooMany, Unavailable
from backend.src.core.final_singleton import FinalSingleton
from backend.src.services.accounts.password_strength import weaknesses

T = TypeVar("T")

THREADS = 2  # bcrypt releases the GIL; more would take the processor from what is urgent
MOST_WAITING = 64  # a quarter of a second each: whoever comes after them would wait for ten seconds
LONGEST = 1_024
DIGEST_KEY = b"larder password"


class Passwords(metaclass=FinalSingleton):
    """Hashes and checks; the same work for whoever has no password, so that the time tells nothing."""

    def __init__(self, settings: AccountSettings) -> None:
        self._settings = settings
        self._threads: ThreadPoolExecutor | None = None
        self._waiting = 0
        self._nobodys = b""

    async def start(self) -> None:
        """Makes its threads, and the hash that nobody's password is compared with."""
        self._threads = ThreadPoolExecutor(THREADS, "passwords")
        # bcrypt's work depends on the salt's cost alone, so this takes as long to check as any
        self._nobodys = bcrypt.gensalt(self._settings.bcrypt_rounds) + b"." * 31

    async def stop(self) -> None:
        """Waits for the checks under way."""
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)
        self._threads = None

    async def ping(self) -> None:
        """It needs nobody."""

    async def hash(self, password: str) -> str:
        """What is stored, with its salt and cost. Raises TooMany."""
        rounds = self._settings.bcrypt_rounds
        return await self._run(lambda: bcrypt.hashpw(_digest(password), bcrypt.gensalt(rounds)).decode("ascii"))

    async def check(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the one; False, after the same time, when there is none. Raises TooMany."""
        stored = self._nobodys if password_hash is None else password_hash.encode("ascii")
        same = await self._run(lambda: bcrypt.checkpw(_digest(password), stored))
        return same and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether it was made at another cost than is configured now; the next login can make it anew."""
        return int(password_hash.split("$")[2]) != self._settings.bcrypt_rounds

    async def validate(self, password: str, hints: Collection[str], *, field: str = "password") -> None:
        """Raises Invalid, with what to do better, for one that is too short or too easy to guess, TooMany."""
        found = await self._run(lambda: self._weaknesses(_normalised(password), hints))
        if found:
            raise Invalid(
                "this password is too easy to guess",
                errors=[FieldError((field,), one) for one in found],
                remedy="take four words that do not belong together, or let a password manager make one",
            )

    def _weaknesses(self, password: str, hints: Collection[str]) -> list[str]:
        if len(password) > LONGEST:
            return [f"It is longer than {LONGEST} characters."]
        settings = self._settings
        return weaknesses(password, hints, length=settings.password_length, strength=settings.password_strength)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._threads is None:
            raise Unavailable("passwords cannot be checked before the start")
        if self._waiting >= MOST_WAITING:
            raise TooMany("too many passwords are being checked at once", remedy="try again in a few seconds")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _normalised(password: str) -> str:
    """NFKC (NIST SP 800-63B, 5.1.1.2): the same keys on another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)


def _digest(password: str) -> bytes:
    digest = hmac.digest(DIGEST_KEY, _normalised(password).encode(errors="surrogatepass"), hashlib.sha384)
    return base64.b64encode(digest)
