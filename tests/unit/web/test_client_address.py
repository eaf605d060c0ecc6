"""Where a request comes from, in one form, so that limits and ranges cannot be walked around by spelling."""

from __future__ import annotations

import pytest

from backend.src.web.client_address import client_address


@pytest.mark.parametrize(
    ("peer", "shown"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", ""),
        ("", ""),
    ],
)
def test_an_address_has_one_form(peer: str, shown: str) -> None:
    assert client_address({"type": "http", "client": (peer, 40_000)}) == shown


def test_a_unix_socket_has_no_address() -> None:
    assert client_address({"type": "http", "client": None}) == ""
