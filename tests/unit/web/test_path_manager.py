"""Routes are collected, frozen, injected: once, in this order, without duplicates."""

from __future__ import annotations

from functools import partial

import pytest
from fastapi import FastAPI
from starlette.responses import Response

from backend.src.config.settings import DoorSettings, ServerSettings
from backend.src.core.clock import SystemClock
from backend.src.core.errors import Conflict
from backend.src.infra.cache import RateCounter
from backend.src.web.access import Access, Gate
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.endpoint_manager import EndpointManager
from backend.src.web.http_codes import HttpCodes
from backend.src.web.path_manager import PathManager
from backend.src.web.rate_limits import RateLimits
from backend.src.web.routes import Route
from tests.unit.web.conftest import KnownKeys, client_of, make_app
from tests.unit.web.sample import Sample

LIMITS = RateLimits(RateCounter().take, DoorSettings(), SystemClock())
GATE = Gate(KnownKeys(), LIMITS, socket_timeout_s=1)


async def handler() -> None:
    """Nothing."""


def test_a_second_route_of_the_same_shape_is_refused() -> None:
    paths = PathManager()
    paths.add(Route("GET", "/a/{id}", handler, access=Access.READ))
    paths.add(Route("POST", "/a/{id}", handler, access=Access.READ))
    with pytest.raises(Conflict):
        paths.add(Route("GET", "/a/{other}", handler, access=Access.READ))


def test_access_has_no_default() -> None:
    with pytest.raises(TypeError):
        Route("GET", "/a", handler)  # type: ignore[call-arg]


@pytest.mark.parametrize(("method", "path"), [("get", "/a"), ("FETCH", "/a"), ("GET", "a")])
def test_nonsense_is_refused_where_it_is_written(method: str, path: str) -> None:
    with pytest.raises(ValueError):
        Route(method, path, handler, access=Access.READ)


def test_the_order_is_collect_freeze_inject() -> None:
    paths, app = PathManager(), FastAPI()
    paths.add(Route("GET", "/a", handler, access=Access.READ))
    with pytest.raises(Conflict):
        paths.inject(app, GATE, ServerSettings())
    paths.freeze()
    with pytest.raises(Conflict):
        paths.add(Route("GET", "/b", handler, access=Access.READ))
    paths.inject(app, GATE, ServerSettings())
    with pytest.raises(Conflict):
        paths.inject(app, GATE, ServerSettings())


def test_what_was_collected_can_be_looked_at() -> None:
    paths = PathManager()
    EndpointManager((Sample,)).collect(paths)
    assert paths.frozen
    assert {(route.method, route.path, route.access) for route in paths.routes()} == {
        (route.method, route.path, route.access) for route in Sample().routes()
    }


async def test_a_fixed_path_is_not_swallowed_by_a_parameter() -> None:
    """Sample lists each /{thing_id} before its /newest; the index of routes sees the first segments only."""
    async with client_of(make_app(Sample())) as client:
        answer = await client.get("/things/newest", params={"tags[]": ["a", "b"]})
        assert answer.json() == {"theName": "newest", "keptBy": "a,b"}
        assert (await client.get("/v1/kept/things/newest")).json()["theName"] == "newest"
        assert (await client.get("/v1/kept/things/7")).json()["theName"] == "7"


@pytest.mark.parametrize(
    "answer",
    [
        Boilerplates.json({}, headers={"ETag": '"a"'}),
        Boilerplates.empty(HttpCodes.NOT_MODIFIED),
        Boilerplates.download(b"a", "a", status=HttpCodes.PARTIAL_CONTENT),
    ],
)
async def test_a_route_answers_as_it_is_declared(answer: Response) -> None:
    """What the document says follows from the declaration."""

    async def answered() -> Response:
        return answer

    class Endpoint:
        def routes(self) -> tuple[Route, ...]:
            declared = partial(Route, "GET", handler=answered, access=Access.OPEN, content={"text/plain": {}})
            return declared("/a", conditional=True, by_parts=True), declared("/b")

    async with client_of(make_app(Endpoint())) as client:
        assert (await client.get("/a")).status_code == answer.status_code
        assert (await client.get("/b")).status_code == 500
