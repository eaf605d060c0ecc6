"""RFC 5322 and MIME: mixed(alternative(text, related(html, images)), attachments), all of it in 7 bits.

7 bits, because 8BITMIME is not everywhere, and a message that was stored must be sent as it is. Only an address
that is not ASCII before its @ asks more of the servers (SMTPUTF8, RFC 6531).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime

from backend.src.infra.mail.mail import InlineImage, Mail, parse_address

SENDER_NAME = "Larder"


class WirePolicy(EmailPolicy):
    """CRLF and 7 bits. The library's own folding loses the space between two encoded words of a subject."""

    def fold_binary(self, name: str, value: str) -> bytes:
        """One header, with its line ends."""
        if name != "Subject" or value.isascii():
            return super().fold_binary(name, value)
        words = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {words}{self.linesep}".encode("ascii")


_policy = WirePolicy(linesep=SMTP.linesep, cte_type="7bit")
_policy_utf8 = _policy.clone(utf8=True)


def compose(mail: Mail, sender: str, message_id: str, date: datetime) -> EmailMessage:
    """The message; `as_bytes()` is what goes over the wire. Raises Invalid for a sender that is no address."""
    from_, to = parse_address(sender), parse_address(mail.to)
    message = EmailMessage(_policy_utf8 if from_.ascii_email is None or to.ascii_email is None else _policy)
    message["From"] = Address(SENDER_NAME, from_.local_part, from_.ascii_domain)
    message["To"] = Address("", to.local_part, to.ascii_domain)
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(date)
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answers, please
    message.set_content(_storable(mail.text))
    if mail.html is not None:
        message.add_alternative(_storable(mail.html), subtype="html")
        _add_images(message, mail.images)
    for file in mail.attachments:
        main, _, sub = file.media_type.partition("/")
        message.add_attachment(file.data, main, sub, filename=file.name)
    return message


def _add_images(message: EmailMessage, images: Sequence[InlineImage]) -> None:
    html = message.get_body(("html",))
    assert isinstance(html, EmailMessage)
    for image in images:
        main, _, sub = image.media_type.partition("/")
        html.add_related(image.data, main, sub, cid=f"<{image.cid}>", disposition="inline")


def _storable(text: str) -> str:
    """Lone surrogates, which no charset has, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
