"""No open redirect: a login ends on this server, whatever the address looks like."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.core.errors import Invalid
from backend.src.services.providers.return_address import checked_return_address, with_parameters

ORIGIN = "https://larder.example"


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("/", f"{ORIGIN}/"),
        ("/page", f"{ORIGIN}/page"),
        ("/page?tab=1&of=%2F%2Felsewhere.example", f"{ORIGIN}/page?tab=1&of=%2F%2Felsewhere.example"),
        ("/page?next=https://elsewhere.example/", f"{ORIGIN}/page?next=https://elsewhere.example/"),
        ("/@elsewhere.example", f"{ORIGIN}/@elsewhere.example"),
        (f"{ORIGIN}/page", f"{ORIGIN}/page"),
    ],
)
def test_an_address_of_this_server_is_taken(text: str, whole: str) -> None:
    assert checked_return_address(text, ORIGIN) == whole


@pytest.mark.parametrize(
    "text",
    [
        "",
        "page",
        "//elsewhere.example",
        "///elsewhere.example",
        "////elsewhere.example/..",
        "/\\elsewhere.example",
        "\\\\elsewhere.example",
        "/\t/elsewhere.example",
        "/\n/elsewhere.example",
        "\t//elsewhere.example",
        " //elsewhere.example",
        "/ /elsewhere.example",
        "https://elsewhere.example/",
        "https:elsewhere.example",
        "https:/elsewhere.example",
        "https:///elsewhere.example",
        "http://larder.example/page",
        "https://larder.example.elsewhere.example/",
        "https://larder.example@elsewhere.example/",
        "https://ada:secret@larder.example/",
        "https://larder.example:444/",
        "https://larder.example\\@elsewhere.example/",
        "https://[",
        "HTTPS://ELSEWHERE.EXAMPLE",
        "javascript:alert(1)",
        "data:text/html,hello",
        "/page#part",
        "/page\x00",
        "/pagé",
        "/" + "a" * 2_000,
    ],
)
def test_any_other_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="does not lead to this server"):
        checked_return_address(text, ORIGIN)


@given(st.text(alphabet="/\\:@#?.htps%20\t\nae", max_size=12))
def test_whatever_is_taken_leads_here(text: str) -> None:
    try:
        whole = checked_return_address(text, ORIGIN)
    except Invalid:
        return
    # browsers drop tabs and line ends, and read a backslash as a slash
    as_browsers_read_it = whole.translate({ord("\t"): None, ord("\n"): None, ord("\\"): "/"})
    assert urlsplit(as_browsers_read_it)[:2] == ("https", "larder.example")


def test_parameters_are_added_to_those_that_are_there() -> None:
    added = {"code": "a b&c", "state": None}
    assert with_parameters(f"{ORIGIN}/page", added).address == f"{ORIGIN}/page?code=a+b%26c"
    assert with_parameters(f"{ORIGIN}/page?tab=1", added).address == f"{ORIGIN}/page?tab=1&code=a+b%26c"
