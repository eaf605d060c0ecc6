"""What the command line makes of an answer that it did not want."""

from __future__ import annotations

import httpx
import pytest

from backend.src.commands.api import Api
from backend.src.core.errors import Conflict, LarderError, NotFound, Unavailable


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (409, Conflict), (503, Unavailable), (502, Unavailable), (521, Unavailable)]
)
def test_a_refusal_is_an_error_of_its_kind(status: int, kind: type[LarderError]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, text="<html>a page of a proxy</html>")

    transport = httpx.MockTransport(answer)
    with httpx.Client(base_url="http://larder", transport=transport) as client, pytest.raises(kind) as refused:
        Api(client).call("GET", "/v1/pvs")
    assert type(refused.value) is kind and str(status) in refused.value.message
