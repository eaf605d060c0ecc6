"""Everything that somebody may show at the door, and what it entitles to."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from sqlalchemy import update

from backend.src.core.runtime_manager import RuntimeManager
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import api_keys
from backend.src.services.accounts import Scope
from backend.src.services.accounts.local_token import ALGORITHM, AUDIENCE, ISSUER, mint_local_token
from backend.src.services.accounts.tokens import new_token
from tests.system.whole_server import SECRET, WholeServer

EVERYTHING = frozenset(Scope)


@dataclass(frozen=True)
class Credential:
    """Headers, and the scopes that they carry; None when nobody may believe them."""

    name: str
    headers: dict[str, str]
    scopes: frozenset[Scope] | None = None


async def all_credentials(server: WholeServer) -> list[Credential]:
    """Every kind there is, made by the server itself where it makes them."""
    found = [*_nonsense(), *_local_tokens()]
    found += [credential async for credential in _keys(server)]
    assert len({credential.name for credential in found}) == len(found)
    return found


def _key(name: str, token: str, scopes: frozenset[Scope] | None = None) -> Credential:
    return Credential(name, {"x-api-key": token}, scopes)


def _bearer(name: str, token: str, scopes: frozenset[Scope] | None = None) -> Credential:
    return Credential(name, {"authorization": f"Bearer {token}"}, scopes)


def _nonsense() -> Iterator[Credential]:
    yield Credential("nothing", {})
    yield _key("an empty key", "")
    yield _key("a malformed key", "lrd_00000000")
    yield _key("a key of bytes", "lrd_\xff\xfe")
    yield _key("a key without end", "lrd_" + "a" * 100_000)
    yield _key("a token as a key", mint_local_token(SECRET, "operator"))
    yield _bearer("no token", "")
    yield _bearer("a malformed token", "a.b.c")
    yield Credential("another scheme", {"authorization": "Basic b3BlcmF0b3I6b3BlcmF0b3I="})
    yield Credential("a scheme alone", {"authorization": "Bearer"})


async def _keys(server: WholeServer) -> AsyncIterator[Credential]:
    yield _key("an unknown key", new_token())
    for scope in Scope:
        made = await _make_key(server, scope)
        yield _key(f"a key to {scope}", made["token"], frozenset({scope}))
    yield _bearer("a key as a token", (await _make_key(server, *Scope))["token"])
    revoked = await _make_key(server, *Scope)
    await server.call("DELETE", f"/v1/api-keys/{revoked['id']}?force=true")
    yield _key("a revoked key", revoked["token"])
    expired = await _make_key(server, *Scope)
    await _let_expire(int(expired["id"]))
    yield _key("an expired key", expired["token"])


async def _make_key(server: WholeServer, *scopes: Scope) -> Any:
    return await server.call("POST", "/v1/api-keys", {"appName": secrets.token_hex(4), "scopes": scopes})


async def _let_expire(key_id: int) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    change = update(api_keys).where(api_keys.c.id == key_id).values(expires_at=past)
    await RuntimeManager.get(SQL).write(lambda connection: connection.execute(change), touches=("api_keys",))


def _local_tokens() -> Iterator[Credential]:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "operator", "iat": now, "exp": now + 60}
    secret = SECRET.reveal()
    yield _bearer("a local token", mint_local_token(SECRET, "operator"), EVERYTHING)
    yield _bearer("an expired local token", jwt.encode(claims | {"iat": now - 70, "exp": now - 10}, secret, ALGORITHM))
    yield _bearer("a local token for an hour", jwt.encode(claims | {"exp": now + 3600}, secret, ALGORITHM))
    yield _bearer("a local token of tomorrow", jwt.encode(claims | {"iat": now + 86_400}, secret, ALGORITHM))
    yield _bearer("a local token of another key", jwt.encode(claims, secret + "x", ALGORITHM))
    yield _bearer("a local token of another algorithm", jwt.encode(claims, secret, "HS512"))
    yield _bearer("a local token of another issuer", jwt.encode(claims | {"iss": "elsewhere"}, secret, ALGORITHM))
    yield _bearer("a local token without signature", unsigned(claims))
    yield _bearer("a local token as a person's", jwt.encode(claims | {"aud": "larder"}, secret, ALGORITHM))


def unsigned(claims: dict[str, Any], algorithm: str = "none") -> str:
    """A JWT that says it needs no signature."""
    parts = ({"alg": algorithm, "typ": "JWT"}, claims)
    return ".".join([base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]) + "."
