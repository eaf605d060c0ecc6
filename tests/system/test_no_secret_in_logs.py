"""A server with debug on, through everything that has to do with secrets: none of them is in its log."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from backend.src.core.redaction import BLOT
from tests.servers.smtp import SmtpServer
from tests.system.people.site import OTHER_PASSWORD, PASSWORD, ROOT, ROOT_PASSWORD, Site, code_of

SECRET_KEY = secrets.token_hex(32)
MAIL_PASSWORD = secrets.token_urlsafe(16)
USERS = "/v1/users"
EMAIL = "ada@lab.example"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, extra = tmp_path_factory.mktemp("logs"), {"DEBUG": "true", "SECRET_KEY": SECRET_KEY}
    with SmtpServer(user="larder", password=MAIL_PASSWORD) as mail, Site(folder, mail, **extra) as site:
        yield site


class Visitor:
    """Does everything once and remembers every secret that it met."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.secrets = {SECRET_KEY, MAIL_PASSWORD, PASSWORD, OTHER_PASSWORD, ROOT_PASSWORD}

    def met(self, secret: str) -> str:
        self.secrets.add(secret)
        return secret

    def ask(self, method: str, path: str, *, key: str = "", **arguments: Any) -> httpx.Response:
        """Any answer but a failure of the server."""
        headers = {"X-API-Key": key} if key else {}
        token = arguments.pop("token", "")
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx.request(method, self.site.larder.url + path, headers=headers, timeout=30, **arguments)
        assert answer.status_code < 500, answer.text
        return answer

    def tokens(self, **form: str) -> dict[str, str]:
        answer: dict[str, str] = self.ask("POST", "/oauth/token", data=form).json()
        for name in ("access_token", "refresh_token"):
            self.met(answer[name])
        return answer

    def made_up(self, start: str = "") -> str:
        return self.met(start + secrets.token_urlsafe(32))


def register_and_reset(visitor: Visitor) -> None:
    site = visitor.site
    visitor.ask("POST", f"{USERS}/register", json={"email": EMAIL, "name": "Ada", "password": PASSWORD})
    code = visitor.met(site.code_to(EMAIL))
    visitor.ask("GET", f"/account/verify?code={code}")
    assert visitor.ask("POST", f"{USERS}/verify", json={"code": code}).is_success
    assert visitor.ask("POST", f"{USERS}/verify", json={"code": code}).is_client_error
    visitor.ask("POST", f"{USERS}/password/forgot", json={"email": EMAIL})
    code = visitor.met(site.code_to(EMAIL, 2))
    visitor.ask("POST", f"{USERS}/password/reset", json={"code": code, "newPassword": visitor.met("weak7731")})
    reset = {"code": code, "newPassword": OTHER_PASSWORD}
    assert visitor.ask("POST", f"{USERS}/password/reset", json=reset).is_success
    for wrong in ({**reset, "unknown": visitor.made_up()}, {"code": visitor.made_up()}, visitor.made_up()):
        assert visitor.ask("POST", f"{USERS}/password/reset", json=wrong).status_code == 422


def log_in(visitor: Visitor) -> str:
    first = visitor.tokens(grant_type="password", username=EMAIL, password=OTHER_PASSWORD)
    wrong = {"grant_type": "password", "username": EMAIL, "password": visitor.made_up()}
    assert visitor.ask("POST", "/oauth/token", data=wrong).is_client_error
    in_address = {**wrong, "password": visitor.made_up()}
    assert visitor.ask("POST", "/oauth/token", params=in_address, data=in_address).is_client_error
    second = visitor.tokens(grant_type="refresh_token", refresh_token=first["refresh_token"])
    visitor.tokens(grant_type="refresh_token", refresh_token=second["refresh_token"])
    used_twice = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert visitor.ask("POST", "/oauth/token", data=used_twice).is_client_error
    third = visitor.tokens(grant_type="password", username=EMAIL, password=OTHER_PASSWORD)
    visitor.ask("POST", "/oauth/revoke", data={"token": third["refresh_token"]})
    claims, _, signature = third["access_token"].rpartition(".")
    forged = f"{claims}.{signature[::-1]}"  # one that ends in letters of our choice may be the true one
    assert visitor.ask("GET", f"{USERS}/me", token=visitor.met(forged)).status_code == 401
    return visitor.tokens(grant_type="password", username=ROOT, password=ROOT_PASSWORD)["access_token"]


def use_keys(visitor: Visitor, root: str) -> str:
    new = {"appName": "logs", "scopes": ["read"]}
    made = visitor.ask("POST", "/v1/api-keys", token=root, json=new).json()
    visitor.met(made["token"])
    rotated = visitor.ask("POST", f"/v1/api-keys/{made['id']}/rotate", token=root, json={}).json()
    key = visitor.met(rotated["token"])
    assert visitor.ask("GET", "/v1/pvs", key=key).is_success
    assert visitor.ask("POST", "/v1/tags", key=key, json={"name": "x"}).status_code == 403
    for wrong in (made["token"], visitor.made_up("lrd_"), visitor.made_up(), key[:-1]):
        assert visitor.ask("GET", "/v1/pvs", key=visitor.met(wrong)).status_code == 401
    introspected = {"token": visitor.made_up()}
    visitor.ask("POST", "/oauth/introspect", token=root, data=introspected)
    return key


def converse(visitor: Visitor, root: str, key: str) -> None:
    url = visitor.site.larder.url.replace("http", "ws") + "/v1/ws/pvs"
    with connect(url, additional_headers={"X-API-Key": key}) as socket:
        socket.send(json.dumps({"type": "ping"}))
        socket.recv()
    for message in (
        {"type": "auth", "token": root},
        {"type": "auth", "apiKey": key},
        {"type": "auth", "apiKey": visitor.made_up("lrd_")},
        {"type": "auth", "secret": visitor.made_up()},
    ):
        # who is refused may hear so before the second message is sent
        with connect(url) as socket, suppress(ConnectionClosed):
            socket.send(json.dumps(message))
            socket.send(json.dumps({"type": "ping"}))
            socket.recv(timeout=30)


def as_logged(secret: str) -> set[str]:
    """The forms in which it might stand there; a long one is given away by its half too."""
    forms = {secret, quote(secret), quote_plus(secret), repr(secret)[1:-1], json.dumps(secret)[1:-1]}
    forms.add(base64.b64encode(secret.encode()).decode().rstrip("=")[:-1])
    if len(secret) >= 40:
        forms |= {secret[: len(secret) // 2], secret[len(secret) // 2 :]}
    return forms


def test_no_secret_is_in_the_log(site: Site) -> None:
    visitor = Visitor(site)
    register_and_reset(visitor)
    root = log_in(visitor)
    key = use_keys(visitor, root)
    converse(visitor, root, key)
    lists = [visitor.ask("GET", f"/v1/admin/{name}", token=root) for name in ("audit", "mail", "crons")]
    lists += [visitor.ask("GET", path, token=root) for path in ("/v1/api-keys", "/v1/users", f"{USERS}/me/sessions")]
    assert all(answer.is_success for answer in lists)
    visitor.met(code_of(site.mails_to(EMAIL)[0]))
    log = site.larder.log
    assert "shown again" in log and len(visitor.secrets) > 25
    shown = {form for secret in visitor.secrets for form in as_logged(secret)}
    assert not [form for form in shown if form in log]
    assert BLOT not in log, "something had to be blotted out: find who logs it"
    told = "\n".join(answer.text for answer in lists)
    assert not [form for form in shown if form in told]
