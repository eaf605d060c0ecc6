"""Whatever a file is called, its header is one, every reader understands it, and it names no folder."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from backend.src.web.content_disposition import attachment, harmless_file_name, inline

ANY_TEXT = st.text(st.characters(), max_size=300)  # lone surrogates and control characters too


@given(ANY_TEXT)
@example('a"; filename=evil.exe; x="')
@example("a\r\nSet-Cookie: a=b")
@example("../../etc/passwd")
@example("\ud800")
@example("")
def test_a_reader_gets_the_name_and_nothing_else(name: str) -> None:
    header = attachment(name)
    assert header.isascii() and header.isprintable()
    kind, options = parse_options_header(header)  # prefers filename*, as browsers do
    assert kind == "attachment" and options == {"filename": harmless_file_name(name)}


@given(ANY_TEXT)
def test_a_plain_name_is_there_for_old_readers(name: str) -> None:
    plain = attachment(name).split('"')[1]
    assert plain and not set(plain) & set('%\\/"') and set(plain) <= set(string.printable)


@given(ANY_TEXT)
def test_the_name_is_one_that_a_file_may_have(name: str) -> None:
    harmless = harmless_file_name(name)
    assert 0 < len(harmless) <= 200 and not set(harmless) & set("/\\\x00\r\n:") and harmless.strip(". ") == harmless
    harmless.encode()
    assert harmless_file_name(harmless) == harmless


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.csv", 'attachment; filename="a.csv"'),
        ("Größe 100%.csv", "attachment; filename=\"Gr__e 100_.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20100%25.csv"),
        ("..", 'attachment; filename="download"'),
    ],
)
def test_examples(name: str, header: str) -> None:
    assert attachment(name) == header


def test_what_is_shown_has_a_name_too() -> None:
    assert inline("a.pdf") == 'inline; filename="a.pdf"'
