"""A server with open registration, what people do with it, and what they find in their mail."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.servers.larder import Larder, as_environment
from tests.servers.smtp import Kept, SmtpServer

ROOT, ROOT_PASSWORD = "root@lab.example", "nine copper lanterns drift"
PASSWORD, OTHER_PASSWORD = "plum hatch orbit vellum", "fjord seven quartz mantle"
# bcrypt at its least cost, and nobody is told to wait: these tests log in more often than people
# who is locked out is so for longer than a machine stalls
CONFIGURATION = """
[accounts]
registration = "open"
bcrypt_rounds = 10
lockout_first_s = 60.0
[door]
logins_per_minute = 0
"""

_code = re.compile(r"code=([A-Za-z0-9_-]+)")


class Site:
    """`larder` is the process, `mail` what it delivers to."""

    def __init__(self, folder: Path, mail: SmtpServer, **environment: str) -> None:
        config = folder / "config.toml"
        config.write_text(CONFIGURATION)
        first = {"ADMIN_EMAIL": ROOT, "ADMIN_PASSWORD": ROOT_PASSWORD, **environment}
        self.mail = mail
        self.larder = Larder(folder / "data", {**as_environment(mail.settings()), **first}, config=config)

    def ask(self, method: str, path: str, *, token: str | None = None, expect: int = 200, **arguments: Any) -> Any:
        """The decoded answer, whose status must be the expected one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.request(method, self.larder.url + path, headers=headers, timeout=30, **arguments)
        assert answer.status_code == expect, (method, path, answer.status_code, answer.text)
        return answer.json()

    def log_in(self, email: str, password: str) -> str | None:
        """An access token, None when refused."""
        form = {"grant_type": "password", "username": email, "password": password}
        answer = httpx.post(f"{self.larder.url}/oauth/token", data=form, timeout=30)
        assert answer.status_code in (200, 400), answer.text
        return str(answer.json()["access_token"]) if answer.is_success else None

    def token(self, email: str, password: str) -> str:
        """An access token."""
        token = self.log_in(email, password)
        assert token is not None, f"{email} cannot log in"
        return token

    def mails_to(self, address: str, count: int = 1) -> list[Kept]:
        """What came to this address, each message once, when there are at least so many."""
        while True:
            seen = list(self.mail.messages)
            found = {kept.message_id: kept for kept in seen if kept.recipient == address}
            if len(found) >= count:
                return list(found.values())
            self.mail.wait_for(len(seen) + 1, 30.0)

    def code_to(self, address: str, count: int = 1) -> str:
        """The code in the newest of at least so many mails to this address."""
        return code_of(self.mails_to(address, count)[-1])

    def __enter__(self) -> Self:
        self.larder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.larder.__exit__(kind, error, trace)


def code_of(kept: Kept) -> str:
    """The code in a mail."""
    body = kept.message.get_body(("plain",))
    assert body is not None
    found = _code.search(body.get_content())
    assert found is not None, body.get_content()
    return found[1]
