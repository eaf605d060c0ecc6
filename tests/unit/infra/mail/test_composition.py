"""What goes over the wire, parsed again by somebody else's parser: nothing that is put in can become a header."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.src.core.errors import Invalid
from backend.src.infra.mail import Attachment, InlineImage, Mail, compose

SENDER = "larder@beamline.example.org"
MESSAGE_ID = "<0123456789abcdef@beamline.example.org>"
DATE = datetime(2026, 1, 31, 14, 5, tzinfo=UTC)
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "MIME-Version"]


def wire(mail: Mail) -> bytes:
    return compose(mail, SENDER, MESSAGE_ID, DATE).as_bytes()


def parsed(mail: Mail) -> EmailMessage:
    return message_from_bytes(wire(mail), policy=policy.default)


def a_mail(**changed: Any) -> Mail:
    return Mail(**{"to": "ann@example.org", "subject": "Hello", "text": "Good day.\n", **changed})


def test_the_headers_say_who_what_and_when() -> None:
    message = parsed(a_mail())
    assert (message["From"], message["To"], message["Subject"]) == (f"Larder <{SENDER}>", "ann@example.org", "Hello")
    assert (message["Date"].datetime, message["Message-ID"]) == (DATE, MESSAGE_ID)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content() == "Good day.\r\n"


def test_the_parts_are_nested_as_mail_clients_expect() -> None:
    picture, table = b"\x89PNG\r\n\x1a\n\x00", bytes(range(256)) * 20
    mail = a_mail(
        html='<p>Good day.</p><img src="cid:logo">',
        images=(InlineImage("logo", "image/png", picture),),
        attachments=(
            Attachment("Werte für Überprüfung.csv", "text/csv", b"a;b\r\n\xff"),
            Attachment("x", "a/b", table),
        ),
    )
    message = parsed(mail)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
        "text/csv", "a/b",
    ]  # fmt: skip
    image = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert (image["Content-ID"], image.get_content_disposition()) == ("<logo>", "inline")
    assert image.get_payload(decode=True) == picture
    files = list(message.iter_attachments())
    assert [file.get_filename() for file in files] == ["Werte für Überprüfung.csv", "x"]
    assert [file.get_payload(decode=True) for file in files] == [b"a;b\r\n\xff", table]


def test_everything_is_sent_in_seven_bits_and_short_lines() -> None:
    text = "Größe: 5 µm \U0001f600\n.\n..two dots\nFrom nowhere\n" + "ä" * 2_000 + "\n"
    mail = a_mail(subject="Überprüfung µ \U0001f600 " * 5, text=text, html=f"<p>{text}</p>")
    data = wire(mail)
    assert data.isascii() and max(map(len, data.split(b"\r\n"))) <= 998
    message = parsed(mail)
    assert message["Subject"] == ("Überprüfung µ \U0001f600 " * 5).strip()
    body = message.get_body(("plain",))
    assert body is not None and body.get_content().replace("\r\n", "\n") == text


def test_addresses_beyond_ascii() -> None:
    """A domain travels as an A-label everywhere; letters before the @ need SMTPUTF8, and are not rewritten."""
    assert parsed(a_mail(to="ann@bücher.example"))["To"].addresses[0].domain == "xn--bcher-kva.example"
    data = wire(a_mail(to="jürgen@bücher.example"))
    assert "To: jürgen@xn--bcher-kva.example\r\n".encode() in data


INJECTED = [
    "ann@example.org\r\nBcc: all@example.org", "ann@example.org\n", "ann@example.org, all@example.org",
    "ann@example.org>\r\nRCPT TO:<all@example.org", "Ann <ann@example.org>", "ann@example.org\x00", "", "ann", "@",
    "ann@exam ple.org", "ann\u2028@example.org", "\ud800@example.org", "a" * 300 + "@example.org", "ann@[127.0.0.1]",
]  # fmt: skip


@pytest.mark.parametrize("address", INJECTED)
def test_what_is_no_single_address_is_refused(address: str) -> None:
    with pytest.raises(Invalid):
        a_mail(to=address)
    with pytest.raises(Invalid):
        compose(a_mail(), address, MESSAGE_ID, DATE)


@settings(max_examples=40)
@given(subject=st.text(max_size=300), text=st.text(max_size=300), name=st.text(max_size=80))
def test_no_text_makes_a_header_or_a_part(subject: str, text: str, name: str) -> None:
    mail = a_mail(subject=subject, text=text, html=text, attachments=(Attachment(name, "text/csv", b"1"),))
    message = parsed(mail)
    assert sorted(message.keys()) == sorted(HEADERS)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/csv",
    ]  # fmt: skip
    assert all(not part.defects for part in message.walk())


@pytest.mark.parametrize("evil", ["a\r\nBcc: all@example.org", "a\n\nbody", "a\x0bBcc: x@y", "a\u2029b", "\ud800"])
def test_a_subject_and_a_file_name_stay_on_their_line(evil: str) -> None:
    message = parsed(a_mail(subject=evil, attachments=(Attachment(evil, "text/csv", b"1"),)))
    assert message["Bcc"] is None and sorted(message.keys()) == sorted(HEADERS)
    assert "\n" not in str(next(message.iter_attachments()).get_filename())


@pytest.mark.parametrize(
    "media_type", ["", "text", "text/csv\r\nBcc: a@b", "multipart/mixed", "message/rfc822", "a/b/c"]
)
def test_a_media_type_is_one(media_type: str) -> None:
    with pytest.raises(Invalid):
        Attachment("x", media_type, b"")
    with pytest.raises(Invalid):
        InlineImage("x", media_type, b"")


def test_an_image_has_html_that_shows_it_and_a_plain_id() -> None:
    with pytest.raises(Invalid):
        a_mail(images=(InlineImage("logo", "image/png", b""),))
    with pytest.raises(Invalid):
        InlineImage("a>\r\nBcc: x", "image/png", b"")
