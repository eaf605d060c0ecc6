"""How long the next login has to wait."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.src.config.settings import AccountSettings
from backend.src.services.accounts.lockout import LockedOut, name_hash, wait_s

SETTINGS = AccountSettings(lockout_failures=5, lockout_first_s=5.0, lockout_longest_s=900.0)


def test_the_wait_doubles_up_to_the_longest() -> None:
    waits = [wait_s(failures, SETTINGS) for failures in range(1, 15)]
    assert waits == [0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


@given(st.integers(0, 2**40))
def test_it_never_falls_and_never_overflows(failures: int) -> None:
    assert 0 <= wait_s(failures, SETTINGS) <= wait_s(failures + 1, SETTINGS) <= 900


def test_it_is_told_never_too_early() -> None:
    assert LockedOut(4.2).retry_after_s == 5 and LockedOut(0.0001).retry_after_s == 1


def test_what_was_typed_is_not_kept() -> None:
    assert "ann" not in name_hash("ann") and len(name_hash("\udcff")) == 64
