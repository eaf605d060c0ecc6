"""The whole server inside the test's process: every real service, embedded, asked without a network.

A request costs a tenth of what it costs over a socket, so a test can afford to try everything.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, unquote, urlsplit

from backend.src.config.loading import load
from backend.src.config.settings import Secret
from backend.src.core.local_token import mint_local_token
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.infra.sql import engine
from backend.src.server import Server
from tests.servers.ports import free_port

SECRET = Secret("the secret of a server that only tests ever see, long enough for any algorithm")
ADDRESS = "127.0.0.1"
UNRESERVED = "/:@!$&'()*+,;=-._~%"

CONFIGURATION = """
[door]
requests_per_minute = 0
logins_per_minute = 0
[accounts]
registration = "open"
[mail]
security = "none"
[epics]
read_timeout_s = 0.05
write_timeout_s = 0.05
[streaming]
auth_timeout_s = 0.05
[crons]
enabled = false
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WholeServer:
    """A running Server; `ask` sends one request into its app."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.app = server.app

    def operator(self) -> dict[str, str]:
        """The headers of who may do everything; good for a minute."""
        return {"authorization": f"Bearer {mint_local_token(SECRET, 'operator')}"}

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """`target` is path and query, escaped or not. Raises what the app lets out, which is a failure."""
        parts = urlsplit(target)
        sent = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
            "method": method, "path": unquote(parts.path), "raw_path": quote(parts.path, UNRESERVED).encode(),
            "query_string": quote(parts.query, UNRESERVED + "?").encode(),
            "headers": [(b"host", b"larder.test"), (b"content-length", b"%d" % len(body)), *sent],
            "client": (ADDRESS, 40_000), "server": (ADDRESS, 80),
        }  # fmt: skip
        return await _exchange(self.app, scope, body)

    async def call(self, method: str, target: str, value: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """As the operator, in JSON both ways; a refusal fails the test."""
        body = b"" if value is None else json.dumps(value).encode()
        answer = await self.ask(
            method, target, {"content-type": "application/json", **(headers or self.operator())}, body
        )
        assert answer.status < 300, f"{method} {target}: {answer.status} {answer.text[:500]}"
        return answer.json if answer.body else None


@asynccontextmanager
async def whole_server(
    folder: Path, configuration: str = CONFIGURATION, **environment: str
) -> AsyncIterator[WholeServer]:
    """Started inside, stopped after."""
    config = folder / "config.toml"
    config.write_text(configuration)
    RuntimeManager.reset()
    variables = {"DATA_DIR": str(folder / "data"), "SECRET_KEY": SECRET.reveal(), "SENDER_HOST": ADDRESS}
    variables |= {"SENDER_PORT": str(free_port()), "SENDER_ADDRESS": "larder@example.org", **environment}
    settings = load(config, variables)
    # the least there is, below what the configuration takes: hundreds of passwords are checked
    settings = replace(settings, accounts=replace(settings.accounts, bcrypt_rounds=4))
    server = Server(settings)
    with patch.object(engine, "PRAGMAS", ("synchronous=OFF", *engine.PRAGMAS[1:])):  # nobody cuts the power here
        async with server.running():
            yield WholeServer(server)


async def _exchange(app: Any, scope: dict[str, Any], body: bytes) -> Answer:
    started: dict[str, Any] = {}
    chunks: list[bytes] = []
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in started["headers"]}
    return Answer(started["status"], headers, b"".join(chunks))
