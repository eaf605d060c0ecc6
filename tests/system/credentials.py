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
from urllib.parse import urlencode

import jwt
from sqlalchemy import update

from backend.src.core.local_token import ALGORITHM, AUDIENCE, ISSUER, mint_local_token
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import api_keys
from backend.src.services.accounts import Role, Scope, SigningKeys
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
    found = [*_nonsense(), *local_tokens()]
    found += [credential async for credential in _keys(server)]
    found += [credential async for credential in _people(server)]
    found += [credential async for credential in _forged_tokens(server)]
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


def local_tokens() -> Iterator[Credential]:
    """They live for a minute: who needs them for longer makes them anew."""
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


def unsigned(claims: dict[str, Any], algorithm: str = "none", **header: str) -> str:
    """A JWT that says it needs no signature."""
    parts = ({"alg": algorithm, "typ": "JWT", **header}, claims)
    return ".".join([base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]) + "."


# ---- people ----


@dataclass(frozen=True)
class Login:
    """A person who logged in."""

    user_id: str
    token: str
    refresh_token: str


async def log_in(server: WholeServer, role: Role, scope: str = "", *, name: str = "Somebody") -> Login:
    """A new person of this role, who comes with their password."""
    email, password = f"{secrets.token_hex(8)}@example.org", secrets.token_urlsafe(24)
    user = await server.call("POST", "/v1/users", {"email": email, "name": name, "role": role, "password": password})
    return await _come_in(server, str(user["id"]), email, password, scope)


async def _come_in(server: WholeServer, user_id: str, email: str, password: str, scope: str) -> Login:
    form = {"grant_type": "password", "username": email, "password": password} | ({"scope": scope} if scope else {})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await server.ask("POST", "/oauth/token", headers, urlencode(form).encode())
    assert answer.status == 200, answer.text
    return Login(user_id, answer.json["access_token"], answer.json["refresh_token"])


async def _people(server: WholeServer) -> AsyncIterator[Credential]:
    for role in Role:
        yield _bearer(f"a token of a {role}", (await log_in(server, role)).token, role.scopes)
    narrow = await log_in(server, Role.ADMINISTRATOR, "read restore")
    yield _bearer("a narrowed token", narrow.token, frozenset({Scope.READ, Scope.RESTORE}))
    yield _bearer("a refresh token", narrow.refresh_token)
    yield _key("a person's token as a key", narrow.token)
    for name, end in _ENDS.items():
        login = await log_in(server, Role.ADMINISTRATOR)
        await end(server, login)
        yield _bearer(f"a token after {name}", login.token)


async def _log_out(server: WholeServer, login: Login) -> None:
    answer = await server.ask("POST", "/oauth/logout", {"authorization": f"Bearer {login.token}"})
    assert answer.status == 204


async def _revoke(server: WholeServer, login: Login) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await server.ask("POST", "/oauth/revoke", headers, urlencode({"token": login.refresh_token}).encode())
    assert answer.status == 200


async def _end_sessions(server: WholeServer, login: Login) -> None:
    await server.call("DELETE", f"/v1/users/{login.user_id}/sessions")


async def _disable(server: WholeServer, login: Login) -> None:
    await server.call("PUT", f"/v1/users/{login.user_id}/disable")


async def _delete(server: WholeServer, login: Login) -> None:
    await server.call("DELETE", f"/v1/users/{login.user_id}")


async def _demote(server: WholeServer, login: Login) -> None:
    await server.call("PUT", f"/v1/users/{login.user_id}/role", {"role": Role.VIEWER})


_ENDS = {
    "the log-out": _log_out,
    "its revocation": _revoke,
    "the end of all sessions": _end_sessions,
    "its bearer was disabled": _disable,
    "its bearer was deleted": _delete,
    "its bearer's role was lowered": _demote,
}


async def _forged_tokens(server: WholeServer) -> AsyncIterator[Credential]:
    """Each but for one thing as the server makes them."""
    good = (await log_in(server, Role.ADMINISTRATOR)).token
    other = (await log_in(server, Role.VIEWER)).token
    key = await RuntimeManager.get(SigningKeys).current()
    claims = jwt.decode(good, options={"verify_signature": False})
    now = int(time.time())

    def made(more: dict[str, Any], secret: bytes = key.secret, algorithm: str = "HS256", kid: Any = key.kid) -> str:
        named = {} if kid is None else {"kid": kid}
        return jwt.encode({**claims, **more}, secret, algorithm, headers=named)

    yield _bearer("the good token", made({}), EVERYTHING)  # else all below would prove nothing
    yield _bearer("an expired token", made({"iat": now - 700, "exp": now - 100}))
    yield _bearer("a token of tomorrow", made({"iat": now + 86_400, "exp": now + 90_000}))
    yield _bearer("a token of another issuer", made({"iss": "elsewhere"}))
    yield _bearer("a token for another audience", made({"aud": "elsewhere"}))
    yield _bearer("a token for the command line", made({"aud": AUDIENCE}))
    yield _bearer("another's session", made({"sub": str(int(claims["sub"]) + 1)}))
    yield _bearer("a session that never was", made({"sid": "0" * 16}))
    yield _bearer("a token signed by nobody's key", made({}, secret=b"x" * 32))
    yield _bearer("a token signed by the server's secret", made({}, secret=SECRET.reveal().encode()))
    yield _bearer("a token of an unknown key", made({}, kid="0" * 16))
    yield _bearer("a token of a key by path", made({}, kid="../../dev/null"))
    yield _bearer("a token of a key by injection", made({}, kid="' OR 1=1 -- "))
    yield _bearer("a token without key", made({}, kid=None))
    yield _bearer("a token of a stronger algorithm", made({}, secret=key.secret * 2, algorithm="HS512"))
    for algorithm in ("none", "None", "nOnE"):
        yield _bearer(f"a token with algorithm {algorithm}", unsigned(claims, algorithm, kid=key.kid))
    yield _bearer("a token without its signature", good.rpartition(".")[0] + ".")
    yield _bearer("a token with another's signature", good.rpartition(".")[0] + "." + other.rpartition(".")[2])
    yield _bearer("a token with another's claims", good.replace(good.split(".")[1], other.split(".")[1]))
    for name in ("iss", "aud", "sub", "sid", "exp", "iat", "jti", "scope"):
        without = {claim: value for claim, value in claims.items() if claim != name}
        yield _bearer(f"a token without {name}", jwt.encode(without, key.secret, "HS256", headers={"kid": key.kid}))
