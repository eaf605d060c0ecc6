"""What strangers send to parsers of credentials, schedules and networks: taken, or refused with declared errors alone.

Half of the texts are good ones with one thing changed: chance alone never comes near.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from backend.src.config.schedule import Schedule
from backend.src.config.settings import Secret
from backend.src.core.clock import SystemClock
from backend.src.core.errors import Invalid, Unauthenticated
from backend.src.core.local_token import mint_local_token
from backend.src.services.accounts.address_ranges import parse_ranges, within
from backend.src.services.accounts.email_addresses import login_name, normalised_address
from backend.src.services.accounts.local_token import read_local_token
from backend.src.services.accounts.tokens import checksum_of, looks_like_token, new_token
from backend.src.web.access import _auth_message, _credential
from backend.src.web.client_address import address_group, client_address
from backend.src.web.paging import read_token, write_token

SECRET = Secret("a secret of more than thirty-two characters")
FUZZ = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)

ODD = st.sampled_from("\0\t\n\r \"'\\%/.:,;_-=*+0azAZß１\u0130\u2028\u202e\ud800🙂")
texts = st.text(st.one_of(st.characters(), ODD), max_size=200)


@st.composite
def nearly(draw: st.DrawFn, good: str) -> str:
    """The text with a part of it replaced, removed, doubled or moved."""
    begin, end = sorted((draw(st.integers(0, len(good))), draw(st.integers(0, len(good)))))
    part = good[begin:end]
    new = draw(
        st.one_of(st.text(ODD, max_size=3), st.just(part * 2), st.just(part[::-1]), st.just(part.upper()), texts)
    )
    return good[:begin] + new + good[end:]


def around(*good: str) -> st.SearchStrategy[str]:
    """Anything at all, and what is nearly one of these."""
    return st.one_of(texts, *(nearly(one) for one in good))


TOKEN = new_token()


@FUZZ
@given(around(TOKEN))
def test_a_key_is_recognised_or_not(text: str) -> None:
    if looks_like_token(text):
        body = text[: len(TOKEN) - 6]
        assert text.isascii() and text.isprintable()
        assert text in (body, body + checksum_of(body))


@FUZZ
@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_one_wrong_character_of_a_key_is_noticed(place: int, wrong: str) -> None:
    assume(TOKEN[place] != wrong)
    assert not looks_like_token(TOKEN[:place] + wrong + TOKEN[place + 1 :])


@FUZZ
@given(around(mint_local_token(SECRET, "operator")))
@example("." * 1_000)
@example("e30.e30.")
@example("W1tb" * 1_000 + ".e30.")
def test_a_token_is_good_or_unauthenticated(text: str) -> None:
    good = mint_local_token(SECRET, "operator")
    try:
        principal = read_local_token(SECRET, text, SystemClock())
    except Unauthenticated:
        return
    assert principal.name == "operator"
    assert text.split(".")[1] != "" and len(text.split(".")) == len(good.split("."))


@FUZZ
@given(around("Bearer", TOKEN))
def test_a_credential_is_plain_or_unauthenticated(text: str) -> None:
    try:
        credential = _credential(text)
    except Unauthenticated:
        return
    assert credential == text.strip()
    assert credential.isascii() and credential.isprintable() and 0 < len(credential) <= 4_096


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "token", "apiKey"]), inner),
    max_leaves=8,
)


@FUZZ
@given(st.one_of(around('{"type": "auth", "apiKey": "lrd_0"}'), _json.map(json.dumps)))
@example("[" * 100_000)
@example('{"type":"auth","apiKey":"\\ud800"}')
def test_an_auth_message_names_a_credential_or_is_unauthenticated(text: str) -> None:
    try:
        kind, credential = _auth_message(text)
    except Unauthenticated:
        return
    assert kind in ("apiKey", "token")
    assert credential


@FUZZ
@given(around("every 15m, jitter 30s", "cron 0 3 * * mon-fri, jitter 5m", "cron */5 0-6,22 1,15 jan 7", "off"))
def test_a_schedule_is_understood_or_a_value_error(text: str) -> None:
    try:
        schedule = Schedule.parse(text)
    except ValueError:
        return
    assert schedule.off or schedule.interval_s > 0 or schedule.fields is not None
    assert 0 <= schedule.jitter_s <= 366 * 86_400


@FUZZ
@given(around("192.0.2.0/24", "2001:db8::/32", "::ffff:192.0.2.0/120", "fe80::1%eth0"), st.ip_addresses())
def test_a_network_is_one_or_invalid(text: str, address: Any) -> None:
    try:
        ranges = parse_ranges([text])
    except Invalid:
        return
    (network,) = ranges
    assert within(str(network.network_address), ranges)
    assert within(str(address), ranges) == within(str(address), parse_ranges([str(network)]))


@FUZZ
@given(around("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "fe80::1%eth0", "unix:"))
def test_an_address_is_in_its_usual_form_or_none(text: str) -> None:
    usual = client_address({"type": "http", "client": (text, 1)})
    assert usual == "" or usual == str(ip_address(usual))
    assert client_address({"type": "http", "client": (usual, 1)}) == usual
    assert bool(address_group(usual)) == bool(usual)
    within(text, parse_ranges(["192.0.2.0/24", "2001:db8::/32"]))


@FUZZ
@given(around("Some.Body+tag@Example.org", "jos\u00e9@ex\u00e4mple.org"))
def test_an_e_mail_address_has_one_spelling_or_is_invalid(text: str) -> None:
    login_name(text).encode()
    try:
        spelling = normalised_address(text)
    except Invalid:
        return
    assert normalised_address(spelling) == spelling == login_name(text)
    assert not any(character.isspace() or character == "\0" for character in spelling)


@FUZZ
@given(around(write_token("pvs", "SR:C01", 7)))
@example("W1tb" * 20_000)
def test_a_continuation_token_is_of_its_list_or_invalid(text: str) -> None:
    try:
        name, number = read_token(text, "pvs", str, int)
    except Invalid:
        return
    assert type(name) is str and type(number) is int


@pytest.mark.parametrize("text", ["a" * 1_000_000, "." * 1_000_000, "[" * 1_000_000, "{" * 1_000_000, "0" * 1_000_000])
def test_a_megabyte_of_anything_is_refused_quickly(text: str) -> None:
    assert not looks_like_token(text)
    for refused in (lambda: _credential(text), lambda: _auth_message(text)):
        with pytest.raises(Unauthenticated):
            refused()
    for parse in (lambda: parse_ranges([text]), lambda: normalised_address(text), lambda: read_token(text, "pvs", int)):
        with pytest.raises(Invalid):
            parse()
    with pytest.raises(ValueError):
        Schedule.parse(text)
