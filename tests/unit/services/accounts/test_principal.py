"""Nobody can pass for somebody else in a record that keeps a name alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.src.infra.sql.tables.base import NAME
from backend.src.services.accounts import Principal, PrincipalKind

CHOOSING = (PrincipalKind.KEY, PrincipalKind.USER)
principals = st.builds(
    Principal, st.sampled_from(CHOOSING), st.integers(1, 10**18).map(str), st.text(max_size=NAME), st.just(frozenset())
)


def test_a_name_tells_which_person_or_program_it_was() -> None:
    names = [Principal(kind, "5", "root", frozenset()).name for kind in PrincipalKind]
    assert names == ["root (key 5)", "root", "root (user 5)", "root"]


@given(one=principals, other=principals)
def test_no_two_have_the_same_name_whatever_they_are_called(one: Principal, other: Principal) -> None:
    assert (one.name == other.name) <= ((one.kind, one.id) == (other.kind, other.id))
    assert len(one.name) <= NAME


@given(somebody=principals, clock=st.sampled_from(["root", "cron"]))
def test_nobody_is_named_as_the_operator_or_the_clock_is(somebody: Principal, clock: str) -> None:
    assert somebody.name != Principal(PrincipalKind.LOCAL, clock, clock, frozenset()).name
