"""The server as the commands see it: every command is a client of the HTTP interface.

Which server: the one that --url names; else the one that runs on this data folder; else one started for the
command and stopped after it. There is one way to change anything, and it is the way every other client uses.
"""

from __future__ import annotations

import argparse
import getpass
import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from backend.src.commands.configuration import add_configuration, read_settings, with_secret_key
from backend.src.commands.temporary_server import temporary_server
from backend.src.commands.trust import trust_of
from backend.src.config.settings import Secret, Settings
from backend.src.core.data_folder import DataFolder
from backend.src.core.errors import Conflict, Forbidden, Invalid, LarderError, NotFound, Unauthenticated, Unavailable
from backend.src.core.local_token import mint_local_token
from backend.src.web.http_codes import HttpCodes

TIMEOUT = httpx.Timeout(120.0, connect=5.0)
POLL_S = 0.1
ENDED = ("completed", "failed", "aborted")

_ERRORS: dict[int, type[LarderError]] = {
    HttpCodes.UNAUTHORIZED: Unauthenticated,
    HttpCodes.FORBIDDEN: Forbidden,
    HttpCodes.NOT_FOUND: NotFound,
    HttpCodes.CONFLICT: Conflict,
    HttpCodes.UNPROCESSABLE_CONTENT: Invalid,
    HttpCodes.SERVICE_UNAVAILABLE: Unavailable,
    # what stands before the server does not reach it
    HttpCodes.BAD_GATEWAY: Unavailable,
    **{code: Unavailable for code in HttpCodes if code.name.startswith("ORIGIN_")},
}


def add_server(parser: argparse.ArgumentParser) -> None:
    """Adds what says which server, and how the answer is printed."""
    add_configuration(parser)
    parser.add_argument(
        "--url", default=os.environ.get("LARDER_URL"), help="server to ask (default: the one on this data folder)"
    )
    parser.add_argument(
        "--key", default=os.environ.get("LARDER_API_KEY"), help="API key (default: this data folder's own)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


class LocalToken(httpx.Auth):
    """Whoever can read the data folder's secret key may do everything; the log shows who it was."""

    def __init__(self, secret_key: Secret) -> None:
        self._secret_key = secret_key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """A token a minute old is dead, so each request gets its own."""
        request.headers["Authorization"] = f"Bearer {mint_local_token(self._secret_key, _user())}"
        yield request


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container under any number: Python to 3.12 raises the first, later ones the other
        return f"uid-{os.getuid()}"


class Api:
    """The HTTP interface, with problem documents turned into errors."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The decoded answer. Raises the LarderError that the answer's problem document stands for."""
        response = self.raw(method, path, **arguments)
        return response.json() if response.content else None

    def raw(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer itself, any 2xx. Raises as call does."""
        try:
            response = self.client.request(method, path, **arguments)
        except httpx.TransportError as exc:
            raise _away(str(self.client.base_url), exc) from exc
        if response.is_error:
            raise _error(response)
        return response

    def follow(self, job_id: str) -> Iterator[dict[str, Any]]:
        """The job's row each time it changed, until it ended."""
        last: dict[str, Any] | None = None
        while last is None or last["status"] not in ENDED:
            job = self.call("GET", f"/v1/jobs/{job_id}")
            if job != last:
                yield job
            else:
                time.sleep(POLL_S)
            last = job


@contextmanager
def open_api(options: argparse.Namespace) -> Iterator[Api]:
    """The server that the options mean."""
    if options.url:
        with _client(options.url, options.key, None) as client:
            yield Api(client)
        return
    settings = with_secret_key(read_settings(options))
    with _local_url(settings, options) as url, _client(url, options.key, settings) as client:
        yield Api(client)


@contextmanager
def _local_url(settings: Settings, options: argparse.Namespace) -> Iterator[str]:
    running = DataFolder(settings.server.data_dir).running_server()
    if running is not None:
        yield running.url
        return
    with temporary_server(options.config, settings) as url:
        yield url


def _client(url: str, key: str | None, settings: Settings | None) -> httpx.Client:
    if key:
        verify = trust_of(settings.door) if settings else True
        return httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=TIMEOUT, verify=verify)
    if settings is None:
        raise Unauthenticated(f"{url} needs an API key", remedy="give --key or set LARDER_API_KEY")
    trust = trust_of(settings.door)
    return httpx.Client(base_url=url, auth=LocalToken(settings.server.secret_key), timeout=TIMEOUT, verify=trust)


def _error(response: httpx.Response) -> LarderError:
    kind = _ERRORS.get(response.status_code, LarderError)
    try:
        problem = response.json()
    except ValueError:
        return kind(f"{response.url} answered {response.status_code} {response.reason_phrase}")
    details = [f"{'.'.join(map(str, e.get('where', ())))}: {e.get('message')}" for e in problem.get("errors", [])]
    message = "\n  ".join([problem.get("detail") or problem.get("title", ""), *details[:20]])
    return kind(message, remedy=problem.get("remedy"))


def _away(url: str, exc: httpx.TransportError) -> Unavailable:
    return Unavailable(
        f"no answer from {url}: {exc or type(exc).__name__}", remedy="start it: python -m backend.src serve"
    )
