"""Passwords: nothing is cut off, one spelling, the same work for nobody's, bounded, and none that anybody guesses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import bcrypt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.src.config.settings import AccountSettings
from backend.src.core.errors import Invalid, TooMany, Unavailable
from backend.src.services.accounts import passwords as module
from backend.src.services.accounts.password_strength import DEFAULTS, words_of
from backend.src.services.accounts.passwords import LONGEST, MOST_WAITING, Passwords

GOOD = "plum hatch orbit vellum"


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    passwords: Passwords = Passwords.build(AccountSettings(bcrypt_rounds=4))
    await passwords.start()
    yield passwords
    await passwords.stop()


@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("x" * 72 + "a", "x" * 72 + "b"),  # bcrypt reads 72 bytes
        ("é" * 40, "é" * 41),
        ("before\0after", "before\0other"),  # and C stops at a NUL
        ("before\0", "before"),
        ("", " "),
        ("Secret", "secret"),
        ("tail ", "tail"),
    ],
)
async def test_every_character_counts(passwords: Passwords, password: str, other: str) -> None:
    stored = await passwords.hash(password)
    assert await passwords.check(password, stored)
    assert not await passwords.check(other, stored)


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("Ame\u0301lie", "Am\u00e9lie"),
        ("\uff50\uff4c\uff55\uff4d", "plum"),
        ("\u212bngstr\u00f6m", "\u00c5ngstro\u0308m"),
    ],
)
async def test_another_keyboard_types_the_same_password(passwords: Passwords, typed: str, same: str) -> None:
    assert await passwords.check(typed, await passwords.hash(same))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=st.text(st.characters(), max_size=200), other=st.text(max_size=200))
async def test_any_text_is_a_password_and_fits_itself_alone(passwords: Passwords, password: str, other: str) -> None:
    stored = await passwords.hash(password)
    assert len(stored) == 60 and stored.isascii()
    assert await passwords.check(password, stored)
    assert await passwords.check(other, stored) == (module._digest(other) == module._digest(password))


async def test_a_lone_surrogate_breaks_nothing(passwords: Passwords) -> None:
    assert await passwords.check("\udcff", await passwords.hash("\udcff"))


async def test_the_same_password_is_stored_differently_each_time(passwords: Passwords) -> None:
    assert await passwords.hash(GOOD) != await passwords.hash(GOOD)


async def test_nobodys_password_is_never_right_and_costs_the_same_work(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[tuple[int, int]] = []
    real = bcrypt.checkpw

    def counted(password: bytes, stored: bytes) -> bool:
        worked.append((len(password), int(stored.split(b"$")[2])))
        return real(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    assert not await passwords.check(GOOD, None)
    assert not await passwords.check(GOOD, await passwords.hash("other"))
    assert worked == [(64, 4)] * 2


async def test_the_time_tells_nothing() -> None:
    """Interleaved, and the least of each: what else the machine does can only add; without the dummy it is below 0.1.

    On a busy machine it takes more turns until each was once left alone.
    """
    passwords: Passwords = Passwords.build(AccountSettings(bcrypt_rounds=8))
    await passwords.start()
    stored = await passwords.hash("other")
    took: dict[bool, list[float]] = {True: [], False: []}

    def alike() -> bool:
        return 0.75 < min(took[False]) / min(took[True]) < 1.33

    for turn in range(200):
        for known in (True, False) if turn % 2 else (False, True):
            began = time.perf_counter()
            await passwords.check(GOOD, stored if known else None)
            took[known].append(time.perf_counter() - began)
        if turn >= 19 and alike():
            break
    await passwords.stop()
    assert alike(), took


async def test_the_cost_is_in_the_hash(passwords: Passwords) -> None:
    stored = await passwords.hash(GOOD)
    assert not passwords.needs_rehash(stored)
    dearer: Passwords = Passwords.build(AccountSettings(bcrypt_rounds=5))
    assert dearer.needs_rehash(stored)


async def test_too_many_at_once_are_refused_and_the_rest_go_on(passwords: Passwords) -> None:
    stored = await passwords.hash(GOOD)
    asked = [passwords.check(GOOD, stored) for _ in range(MOST_WAITING + 10)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, TooMany) for one in results) == 10
    assert sum(one is True for one in results) == MOST_WAITING
    assert await passwords.check(GOOD, stored)


async def test_nothing_is_checked_before_the_start() -> None:
    passwords: Passwords = Passwords.build(AccountSettings(bcrypt_rounds=4))
    with pytest.raises(Unavailable):
        await passwords.check(GOOD, None)
    await passwords.stop()


@pytest.mark.parametrize(
    "password", [GOOD, "kvQ7-plum-hatch-19", "Übergröße Zwölf Äpfel", GOOD * 20, "correct\0horse\0staple"]
)
async def test_a_good_password_is_taken(passwords: Passwords, password: str) -> None:
    await passwords.validate(password, ("ann@lab.example", "Ann"))


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "aaaaaaaaaaaaaaaaaaaa",
        "password1234",
        "qwertyuiop12",
        "smith.smith",
        "Ann.Smith2024",
        "larder-admin-2024",
        "ann.smith@lab.example",
        "larderlarder",
        "ｐａｓｓｗｏｒｄ123",
        "x" * (LONGEST + 1),
        *sorted(DEFAULTS)[:6],
    ],
)
async def test_what_anybody_would_try_is_refused_with_advice(passwords: Passwords, password: str) -> None:
    with pytest.raises(Invalid) as refused:
        await passwords.validate(password, ("ann.smith@lab.example", "Ann Smith"), field="newPassword")
    assert refused.value.remedy and {error.where for error in refused.value.errors} == {("newPassword",)}
    assert all(password not in error.message for error in refused.value.errors)


async def test_without_a_least_strength_the_defaults_are_refused_all_the_same() -> None:
    lax: Passwords = Passwords.build(AccountSettings(bcrypt_rounds=4, password_strength=0, password_length=4))
    await lax.start()
    await lax.validate("aaaaaaaa", ())
    for password in (*DEFAULTS, "ADMIN", "ann@lab.example"):
        with pytest.raises(Invalid):
            await lax.validate(password, ("ann@lab.example",))
    await lax.stop()


def test_hints_are_tried_in_parts() -> None:
    assert words_of(("ann.smith@lab.org", "Ann")) == ["ann.smith@lab.org", "Ann", "ann", "smith", "lab", "org"]


def test_it_is_made_by_the_locator_alone() -> None:
    make: Any = Passwords
    with pytest.raises(TypeError):
        make(AccountSettings())


async def test_no_password_takes_long_to_rate(passwords: Passwords) -> None:
    """zxcvbn holds the interpreter meanwhile: one stranger with such passwords would stop the server.

    Counted in the processor's time, of which others on a busy machine take none: 0.04 s, and 4 s at full length.
    """
    signs = "4@8({[<369&!1/|70$5+%2"
    began = time.process_time()
    await passwords.validate(signs * 4, ())
    with pytest.raises(Invalid):
        await passwords.validate("p@$$w0rd", ())
    assert time.process_time() - began < 1.5
