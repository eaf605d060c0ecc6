"""A browser without a screen: keeps cookies, follows redirects, fills in the pages of the OpenID provider."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from tests.servers.larder import Larder

PUBLIC_URL = "http://larder.test"
MOST_STEPS = 20

_action = re.compile(r'action="([^"]+)"')
_prompt = re.compile(r'name="prompt" value="(\w+)"')


class Browser:
    """Knows the server as PUBLIC_URL, on whichever port it listens now."""

    def __init__(self, larder: Larder) -> None:
        self._larder = larder
        self._client = httpx.Client(timeout=30)

    def get(self, address: str) -> httpx.Response:
        """One answer; a redirect is not followed."""
        if address.startswith(("/", PUBLIC_URL)):
            address = self._larder.url + address.removeprefix(PUBLIC_URL)
        return self._client.get(address)

    def begin(self, provider: str = "lab", **query: str) -> str:
        """Begins a login; returns where it leads."""
        answer = self.get(f"/oauth/login/{provider}?{httpx.QueryParams(query)}")
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def log_in_there(self, address: str, name: str, *, aborts: bool = False) -> str:
        """Goes through the provider's pages; returns where it sends the browser back to."""
        answer = self.get(address)
        for _ in range(MOST_STEPS):
            if answer.is_redirect:
                address = urljoin(str(answer.url), answer.headers["location"])
                if address.startswith(PUBLIC_URL):
                    return address
                answer = self.get(address)
            elif aborts:
                answer = self.get(_found(_action, answer) + "/abort")
            else:
                form = {"prompt": _found(_prompt, answer), "login": name, "password": "any"}
                answer = self._client.post(_found(_action, answer), data=form)
        raise AssertionError(f"the provider does not send back: {answer.text}")

    def log_in(self, name: str, **query: str) -> httpx.Response:
        """The whole way; what the server answers in the end."""
        return self.get(self.log_in_there(self.begin(**query), name))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def parameters(address: str) -> dict[str, str]:
    """Those of its query."""
    return dict(parse_qsl(urlsplit(address).query))


def _found(pattern: re.Pattern[str], answer: httpx.Response) -> str:
    found = pattern.search(answer.text)
    assert found is not None, f"{answer.status_code} {answer.text}"
    return found[1]
