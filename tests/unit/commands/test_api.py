"""Who the command line says it is, and what it makes of an answer that it did not want."""

from __future__ import annotations

import getpass
import os

import httpx
import jwt
import pytest

from backend.src.commands.api import Api, LocalToken
from backend.src.config.settings import Secret
from backend.src.core.errors import Conflict, LarderError, NotFound, Unavailable


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, NotFound),
        (409, Conflict),
        (503, Unavailable),
        (502, Unavailable),
        (521, Unavailable),
        (530, Unavailable),
    ],
)
def test_a_refusal_is_an_error_of_its_kind(status: int, kind: type[LarderError]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="<html>a page of a proxy</html>")

    transport = httpx.MockTransport(answer)
    with httpx.Client(base_url="http://larder", transport=transport) as client, pytest.raises(kind) as refused:
        Api(client).call("GET", "/v1/pvs")
    assert type(refused.value) is kind and str(status) in refused.value.message


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 1000680000"), OSError("No username set")])
def test_a_user_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """As where a container runs under any number: Python to 3.12 raises a KeyError, later ones an OSError."""

    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    request = next(LocalToken(Secret("s" * 32)).auth_flow(httpx.Request("GET", "http://larder")))
    token = request.headers["Authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == f"uid-{os.getuid()}"
