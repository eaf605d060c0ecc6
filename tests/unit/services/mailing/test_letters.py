"""Every letter, as text and as HTML."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from backend.src.infra.mail import Mail
from backend.src.services.mailing import Letters
from backend.src.services.mailing.letters import TEMPLATES, duration

SERVER = "https://larder.example.org"
LINK = f"{SERVER}/account/verify?code=lrc_0123&x=1"
AT = datetime(2026, 1, 31, 14, 5, tzinfo=UTC)
TO = "ann@example.org"


LETTERS = Letters(SERVER)


@functools.cache
def all_letters(name: str = "Ann O'Hara") -> dict[str, Mail]:
    letters = LETTERS
    return {
        "verification": letters.verification(TO, name, LINK, 86_400),
        "already_registered": letters.already_registered(TO, name, LINK),
        "invitation": letters.invitation(TO, name, "operator", LINK, 604_800),
        "reset": letters.reset(TO, name, LINK, 3_600),
        "change_address": letters.change_address(TO, name, LINK, 86_400),
        "address_changed": letters.address_changed(TO, name, "new@example.org"),
        "password_changed": letters.password_changed(TO, name, AT, "192.0.2.7"),
        "locked_out": letters.locked_out(TO, name, AT),
        "provider_linked": letters.provider_linked(TO, name, "Example ID"),
        "account_deleted": letters.account_deleted(TO, name),
    }


class Reader(HTMLParser):
    """The text of a page, its links, and whether every element is closed."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += "" if "style" in self.open else f" {data}"


def words(text: str) -> list[str]:
    return re.sub(r"[^\w@/.?=&-]+", " ", text).split()


def test_there_is_a_test_for_every_template() -> None:
    assert set(all_letters()) == {path.stem for path in (TEMPLATES / "letters").iterdir()}


@pytest.mark.parametrize("name", sorted(all_letters()))
def test_text_and_html_say_the_same_and_hold_the_link(name: str) -> None:
    mail = all_letters()[name]
    assert mail.html is not None and mail.subject and mail.to == TO
    page = Reader(mail.html)
    assert page.open == []
    body = mail.text.split("-- \n")[0].replace(":\n", "\n")
    assert set(words(body)) <= set(words(page.text)) | {LINK}
    assert set(page.links) == ({LINK} if LINK in mail.text else set())
    assert mail.subject in page.text and SERVER in mail.text and SERVER in page.text
    assert max(len(line) for line in mail.text.splitlines() if "http" not in line) <= 78


@pytest.mark.parametrize("name", sorted(all_letters()))
def test_a_page_brings_its_own_style_and_loads_nothing(name: str) -> None:
    """Clients block what is remote; both schemes are declared, so that none inverts the colours by itself."""
    mail = all_letters()[name]
    assert mail.html is not None
    assert Reader(mail.html).tags.isdisjoint({"script", "img", "link", "iframe", "form"})
    assert '<meta name="color-scheme" content="light dark">' in mail.html
    assert "prefers-color-scheme: dark" in mail.html and "url(" not in mail.html


EVIL = ["<script>alert(1)</script>", "{{ 7 * 7 }}", "Ann\r\nBcc: all@example.org", "a & b", "&lt;b&gt;", '" onclick="x']


@pytest.mark.parametrize("evil", EVIL)
def test_what_people_type_stays_text(evil: str) -> None:
    for mail in (
        LETTERS.invitation(TO, evil, evil, LINK, 60),
        LETTERS.provider_linked(TO, evil, evil),
    ):
        assert mail.html is not None
        page = Reader(mail.html)
        assert "script" not in page.tags and page.open == [] and "onclick=" not in re.sub(r">[^<]*<", "><", mail.html)
        shown = " ".join(evil.split())
        assert shown in " ".join(page.text.split()) and shown in " ".join(mail.text.split())
        assert "Bcc" not in mail.subject and "49" not in mail.text


@pytest.mark.parametrize("name", ["win.example", "http://evil.example", "x@y", "a" * 61, "", "www.evil.example now"])
def test_nobody_can_register_under_an_advertisement(name: str) -> None:
    mail = LETTERS.verification(TO, name, LINK, 60)
    assert mail.text.startswith("Hello,\n") and (not name or name not in mail.text + str(mail.html))


@pytest.mark.parametrize("name", ["Ann O'Hara", "Dr. Jürgen Müller", "李明", "J. R."])
def test_a_name_is_greeted(name: str) -> None:
    assert LETTERS.reset(TO, name, LINK, 60).text.startswith(f"Hello {name},")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (86_400, "1 day"),
        (604_800, "7 days"),
        (3_600, "1 hour"),
        (5_400, "90 minutes"),
        (90, "2 minutes"),
    ],
)
def test_a_duration_in_words(seconds: float, said: str) -> None:
    assert duration(seconds) == said
