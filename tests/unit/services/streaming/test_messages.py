"""What clients may say."""

from __future__ import annotations

import pytest

from backend.src.core.errors import Invalid
from backend.src.services.streaming.messages import Auth, GetAll, Ping, Subscribe, Unsubscribe, parse


def test_every_message_is_understood() -> None:
    assert parse('{"type":"subscribe","pvNames":["A"]}') == Subscribe(type="subscribe", pvNames=["A"])
    assert parse(b'{"type":"unsubscribe","pvNames":[]}') == Unsubscribe(type="unsubscribe", pvNames=[])
    assert parse('{"type":"get_all"}') == GetAll(type="get_all")
    assert parse('{"type":"ping","extra":1}') == Ping(type="ping")
    assert parse('{"type":"auth","apiKey":"x"}') == Auth(type="auth")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        "{}",
        '{"type":"reboot"}',
        '{"type":7}',
        '{"type":"subscribe"}',
        '{"type":"subscribe","pvNames":"A"}',
        '{"type":"subscribe","pvNames":[1]}',
        '{"type":"subscribe","pvNames":["\\ud800"]}',
        '{"type":"subscribe","pvNames":["' + "x" * 300 + '"]}',
        b"\xff\xfe",
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(text)
    assert 0 < len(refused.value.message) <= 300
