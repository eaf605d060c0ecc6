"""What the database keeps sealed comes back, and for nobody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.core.errors import Unavailable
from backend.src.core.seal import Seal

KEY = "0123456789abcdef0123456789abcdef"


@given(st.binary(max_size=200))
def test_what_was_sealed_opens(plain: bytes) -> None:
    sealed = Seal(KEY, "outbox").seal(plain)
    assert Seal(KEY, "outbox").open(sealed) == plain


def test_the_same_text_is_sealed_differently_each_time() -> None:
    seal = Seal(KEY, "outbox")
    assert seal.seal(b"x") != seal.seal(b"x")


@pytest.mark.parametrize("other", [Seal(KEY, "tokens"), Seal(KEY[::-1], "outbox")])
def test_another_purpose_or_key_does_not_open_it(other: Seal) -> None:
    with pytest.raises(Unavailable, match="SECRET_KEY"):
        other.open(Seal(KEY, "outbox").seal(b"secret"))


@pytest.mark.parametrize("damaged", [b"", b"x", b"\xff" * 40])
def test_damaged_text_is_refused(damaged: bytes) -> None:
    with pytest.raises(Unavailable):
        Seal(KEY, "outbox").open(damaged)
