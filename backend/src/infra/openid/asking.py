"""One question to a provider over HTTP: bounded in time, answered in JSON, or the provider counts as away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx
import orjson

from backend.src.infra.openid.errors import ProviderAway

LONGEST_ANSWER = 1_048_576  # bytes


class Asking:
    """What is asked of one provider. Not a session: each question stands for itself."""

    def __init__(self, name: str, timeout_s: float, transport: httpx.AsyncBaseTransport | None) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def start(self) -> None:
        """Opens no connection yet."""
        # redirects are not followed: a secret goes where it was sent, and nowhere else
        self._client = httpx.AsyncClient(transport=self._transport, timeout=self._timeout_s)

    async def stop(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Raises ProviderAway for whatever is not a JSON object."""
        status, answer = await self._ask("GET", url, headers=headers)
        if status != HTTPStatus.OK:
            raise self.away(f"{url} answers {status}")
        return answer

    async def post(self, url: str, form: Mapping[str, str], auth: httpx.Auth | None) -> tuple[bool, dict[str, Any]]:
        """Whether it agrees, and its answer: refusals have one too. Raises ProviderAway."""
        status, answer = await self._ask("POST", url, data=dict(form), auth=auth)
        if status not in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED):
            raise self.away(f"{url} answers {status}")
        return status == HTTPStatus.OK, answer

    def away(self, cause: str) -> ProviderAway:
        """To be raised."""
        return ProviderAway(self._name, cause)

    async def _ask(self, method: str, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
        if self._client is None:
            raise self.away("it is not open yet")
        try:
            # around it all: httpx counts for each read anew
            async with asyncio.timeout(self._timeout_s), self._client.stream(method, url, **options) as response:
                body = await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as exc:
            raise self.away(f"{url} does not answer: {str(exc) or f'waited {self._timeout_s:g} s'}") from exc
        finally:
            self._client.cookies.clear()  # what one person's answer set is not sent with another's question
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise self.away(f"{url} answers {response.status_code}, not in JSON")
        return response.status_code, answer


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > LONGEST_ANSWER:
            raise httpx.DecodingError("more than a megabyte", request=response.request)
    return bytes(body)
