"""One conversation with an SMTP server (RFC 5321) through aiosmtplib, its failures as Larder's errors.

What a 5xx means depends on where it comes: to RCPT and DATA it is about this mail, anywhere else about our
settings, which somebody can mend while the mail waits.
"""

from __future__ import annotations

import socket
import ssl
from typing import NoReturn

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)
from email_validator import ValidatedEmail

from backend.src.config.settings import MailSettings
from backend.src.core.errors import Unavailable
from backend.src.infra.mail.mail import one_line
from backend.src.infra.mail.refusals import MailDeferred, MailRefused

CLOSING = 421  # the server ends the conversation
TOO_LARGE = 552
LOGIN_WANTED = (530, 534, 535, 538)
PERMANENT = 500
# RFC 5321, 4.5.3.2.6: ten minutes for the answer after the dot; who waits less sends twice
PATIENCE = 20
LONGEST_ANSWER = 500


class LineLost(Unavailable):
    """The server closed the connection, or does not answer."""


async def connect(settings: MailSettings, tls: ssl.SSLContext) -> SMTP:
    """A conversation after EHLO, STARTTLS and AUTH, as the settings want them. Raises Unavailable."""
    password = settings.password.reveal()
    client = SMTP(
        hostname=settings.host,
        port=settings.port,
        username=(settings.user or settings.address) if password else None,
        password=password or None,
        use_tls=settings.security == "tls",
        start_tls=settings.security == "starttls",  # with True it is an error when the server has none: never in clear
        tls_context=tls,
        timeout=settings.timeout_s,
        local_hostname=socket.gethostname(),
    )
    where = f"the mail server {settings.host}:{settings.port}"
    try:
        await _greet(client)
    except SMTPAuthenticationError as exc:
        message = f"{where} refuses the login: {_answer(exc)}"
        raise Unavailable(message, remedy="check SENDER_USER and SENDER_PASSWORD") from exc
    except (SMTPException, OSError, ValueError) as exc:
        remedy = "check SENDER_HOST, SENDER_PORT and SENDER_SECURITY, and that the server runs"
        raise Unavailable(f"{where} cannot be used: {one_line(str(exc), LONGEST_ANSWER)}", remedy=remedy) from exc
    return client


async def _greet(client: SMTP) -> None:
    await client.connect()
    try:
        if client.is_ehlo_or_helo_needed:  # without STARTTLS and login
            await client.ehlo()
    except BaseException:
        client.close()
        raise


async def address(client: SMTP, sender: ValidatedEmail, recipient: ValidatedEmail, size: int) -> None:
    """MAIL and RCPT: nothing has been sent yet when this fails. Raises MailRefused, MailDeferred, Unavailable."""
    options = [f"SIZE={size}"] if client.supports_extension("size") else []
    if sender.ascii_email is None or recipient.ascii_email is None:
        if not client.supports_extension("smtputf8"):
            raise MailRefused("the mail server takes no addresses with letters beyond ASCII (SMTPUTF8)")
        options.append("SMTPUTF8")
    try:
        await client.mail(sender.ascii_email or sender.normalized, options=options, encoding="utf-8")
        await client.rcpt(recipient.ascii_email or recipient.normalized, encoding="utf-8")
    except (SMTPException, OSError) as exc:
        _raise_ours(exc)


async def hand_over(client: SMTP, message: bytes, timeout_s: float) -> None:
    """DATA. When it returns the server has the message; LineLost leaves open whether it has.

    Raises MailRefused, MailDeferred, Unavailable.
    """
    try:
        await client.data(message, timeout=timeout_s * PATIENCE)
    except (SMTPException, OSError) as exc:
        _raise_ours(exc)


async def start_again(client: SMTP) -> None:
    """After a refusal: ready for the next mail. Raises LineLost."""
    try:
        await client.rset()
    except (SMTPException, OSError) as exc:
        raise LineLost("the mail server closed the connection") from exc


async def hang_up(client: SMTP) -> None:
    """QUIT, politely; a server that does not answer it is left."""
    try:
        await client.quit()
    except (SMTPException, OSError):
        client.close()


def _raise_ours(error: SMTPException | OSError) -> NoReturn:
    match error:
        case SMTPResponseException(code=code) if code == CLOSING:
            raise LineLost(f"the mail server ends the conversation: {_answer(error)}") from error
        case SMTPResponseException(code=code) if code in LOGIN_WANTED:
            message = f"the mail server wants another login: {_answer(error)}"
            raise Unavailable(message, remedy="check SENDER_USER, SENDER_PASSWORD and SENDER_SECURITY") from error
        case SMTPSenderRefused(code=code) if code >= PERMANENT and code != TOO_LARGE:
            message = f"the mail server refuses the sender: {_answer(error)}"
            raise Unavailable(message, remedy="check SENDER_ADDRESS, and that SENDER_USER may send from it") from error
        case SMTPSenderRefused() | SMTPRecipientRefused() | SMTPDataError() if error.code >= PERMANENT:
            raise MailRefused(f"the mail server refuses it: {_answer(error)}") from error
        case SMTPSenderRefused() | SMTPRecipientRefused() | SMTPDataError():
            raise MailDeferred(f"the mail server refuses it for now: {_answer(error)}") from error
        case SMTPServerDisconnected():
            raise LineLost("the mail server closed the connection") from error
        case _:
            raise LineLost(f"the mail server does not answer: {one_line(str(error), LONGEST_ANSWER)}") from error


def _answer(error: SMTPResponseException) -> str:
    return one_line(f"{error.code} {error.message}", LONGEST_ANSWER)
