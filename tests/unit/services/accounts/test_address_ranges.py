"""From where a key may be used, however the address is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.core.errors import Invalid
from backend.src.services.accounts.address_ranges import parse_ranges, within


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("10.1.2.3", "10.1.2.3/32"),
        (" 10.0.0.0/8 ", "10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.1.2.3", "10.1.2.3/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_a_range_has_one_form(text: str, plain: str) -> None:
    assert [str(network) for network in parse_ranges([text, text])] == [plain]


@pytest.mark.parametrize(
    "text", ["", "x", "1", "10.0.0.5/8", "10.0.0.0/33", "10.0.0", "010.0.0.1", "fe80::1%eth0", "1.2.3.4\n5", "١.١.١.١"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_ranges([text])


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.255.0.1", True),
        ("::ffff:10.255.0.1", True),
        ("::FFFF:0AFF:1", True),
        ("11.0.0.1", False),
        ("::10.255.0.1", False),
        ("2001:db8:1::1", True),
        ("2001:db8:1::1%eth0", True),
        ("2001:db9::1", False),
        ("", False),
        ("localhost", False),
    ],
)
def test_an_address_is_inside_or_not(address: str, inside: bool) -> None:
    assert within(address, parse_ranges(["10.0.0.0/8", "2001:db8::/32"])) is inside


def test_ipv6_for_any_is_not_ipv4_for_any() -> None:
    assert not within("10.0.0.1", parse_ranges(["::/0"]))
    assert not within("::ffff:10.0.0.1", parse_ranges(["::/0"]))


@given(st.ip_addresses(v=4))
def test_ipv4_is_the_same_in_ipv6(address: object) -> None:
    assert within(f"::ffff:{address}", parse_ranges([str(address)]))
    assert within(str(address), parse_ranges([f"::ffff:{address}/128"]))


@given(st.text(max_size=40))
def test_any_text_is_judged(text: str) -> None:
    within(text, parse_ranges(["10.0.0.0/8"]))
    try:
        parse_ranges([text])
    except Invalid:
        return
