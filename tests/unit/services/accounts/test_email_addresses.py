"""One spelling an address, and none of what is no address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.core.errors import Invalid
from backend.src.services.accounts.email_addresses import LONGEST, login_name, normalised_address


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("Ann.Smith@Lab.Example.ORG", "ann.smith@lab.example.org"),
        (" ann@lab.example\n", "ann@lab.example"),
        ("ａｎｎ@lab.example", "ann@lab.example"),
        ("ann@B\u00fccher.example", "ann@b\u00fccher.example"),
        ("ann@xn--bcher-kva.example", "ann@b\u00fccher.example"),
        ("stra\u00dfe@lab.example", "stra\u00dfe@lab.example"),
        ("operator@gateway", "operator@gateway"),
        ("ops@control.local", "ops@control.local"),
        ("ann+larder@lab.example", "ann+larder@lab.example"),
    ],
)
def test_an_address_has_one_spelling(typed: str, address: str) -> None:
    assert normalised_address(typed) == address == login_name(typed)
    assert normalised_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@lab.example",
        "ann@",
        "ann@lab@example",
        "ann smith@lab.example",
        "ann@lab.example\nBcc: all@lab.example",
        "ann@lab.example\0",
        '"ann"@lab.example',
        "Ann <ann@lab.example>",
        "ann@[127.0.0.1]",
        "ann@lab..example",
        "\udcff@lab.example",
        f"{'a' * LONGEST}@lab.example",
        "ann@lab.example,bob@lab.example",
    ],
)
def test_what_is_no_address_is_refused_and_can_still_be_counted(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalised_address(text)
    assert refused.value.errors[0].where == ("email",)
    assert isinstance(login_name(text), str)
    login_name(text).encode()


@given(st.text(st.characters()))
def test_any_text_has_one_spelling_that_sql_can_take(text: str) -> None:
    name = login_name(text)
    assert login_name(name) == name
    name.encode()


@given(st.emails())
def test_an_address_stays_one(address: str) -> None:
    try:
        once = normalised_address(address)
    except Invalid:
        return
    assert normalised_address(once) == once == normalised_address(once.upper()) or "\u00df" in once
