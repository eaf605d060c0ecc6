"""Every route against its own OpenAPI document, with whatever a generator comes up with: nothing answers 5xx.

Twice: with a key that may do everything, and without credentials, where whatever is not open must answer 401.
Half of the requests name things that exist, on a machine that is there: otherwise each route with an id in its path
would be tried on nothing but 404. Failures are not shrunk: what is sent is small, and each attempt is a request.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import response_schema_conformance

from backend.src.services.accounts import Scope
from tests.servers.larder import Larder
from tests.servers.ports import free_port
from tests.servers.soft_ioc import SoftIoc

EXAMPLES = 16  # for each operation
STRANGE_EXAMPLES = 4  # the same without credentials: the door is the same for all of them
RECORDS = ("DOUBLE", "LONG", "ENUM", "STRING", "WF:DOUBLE", "META", "READONLY", "CLAMPED")
STOP = "PUT /v1/admin/stop"  # does what it says
# whatever the route: docs/reference/http.md
ANYWHERE = {400, 408, 413, 414, 431}
# of whoever has it, and of whoever wants a part; most routes do not mind
CONDITIONS: tuple[Mapping[str, str], ...] = (
    {},
    {"If-None-Match": "*"},
    {"Range": "bytes=0-9"},
    {"Range": "bytes=999999999-"},
)
UNAVAILABLE, TIMED_OUT = 503, 504  # what an absent or slow device makes of a request: true, and no fault of the server

# a request for a PV that does not answer waits for it: generated ones need not
CONFIGURATION = """
[door]
logins_per_minute = 0
[accounts]
registration = "open"
[mail]
security = "none"
[epics]
read_timeout_s = 0.2
write_timeout_s = 0.3
"""

Known = Mapping[str, list[str]]  # "/v1/pvs/{id}" -> ids that exist


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory, types_ioc: SoftIoc) -> Iterator[Larder]:
    folder = tmp_path_factory.mktemp("schemathesis")
    config = folder / "config.toml"
    config.write_text(CONFIGURATION)
    mail = {"SENDER_HOST": "127.0.0.1", "SENDER_PORT": str(free_port()), "SENDER_ADDRESS": "larder@example.org"}
    with Larder(folder / "data", {**types_ioc.environment, **mail}, config=config) as running:
        yield running


@pytest.fixture(scope="module")
def known(larder: Larder, types_ioc: SoftIoc) -> Known:
    """Things that exist, by the path that asks for one of them."""
    call = larder.api.call
    group = call("POST", "/v1/tags", json={"name": "Area"})
    tag = call("POST", f"/v1/tags/{group['id']}/tags", json={"name": "Ring"})["group"]["tags"][0]
    addresses = [*(types_ioc.pv(name) for name in RECORDS), types_ioc.pv("NO:SUCH:RECORD")]
    made = call(
        "POST", "/v1/pvs/multi", json=[{"setpointAddress": address, "tags": [tag["id"]]} for address in addresses]
    )
    larder.wait_for("/v1/health/summary", lambda summary: summary["connected_pvs"] == len(RECORDS))
    snapshot = call("POST", "/v1/snapshots?async=false", json={"title": "known"})["id"]
    job = call("POST", f"/v1/snapshots/{snapshot}/restore?async=false", json={"timeout": 1})["jobId"]
    person = {"email": "somebody@example.org", "name": "Somebody", "password": secrets.token_urlsafe(24)}
    user = call("POST", "/v1/users", json=person)["id"]
    return {
        "/v1/pvs/{id}": [pv["id"] for pv in made],
        "/v1/tags/{gid}": [group["id"]],
        "/v1/tags/{gid}/tags/{tid}": [tag["id"]],
        "/v1/snapshots/{id}": [snapshot],
        "/v1/snapshots/{first}": [snapshot],
        "/v1/snapshots/{first}/compare/{second}": [snapshot, "live"],
        "/v1/jobs/{id}": [job],
        "/v1/jobs/{job_id}": [job],
        "/v1/users/{id}": [user],
        "/v1/users/{user_id}": [user],
        "/v1/health/circuits/{name}": [types_ioc.prefix.rstrip(":")],
    }


def test_no_input_breaks_a_route(larder: Larder, known: Known, subtests: pytest.Subtests) -> None:
    operations = operations_of(larder)
    assert len(operations) > 50
    going_on = [operation for operation in operations if operation.label != STOP]
    for operation in sorted(going_on, key=lambda one: one.method.upper() == "DELETE"):  # which end what is known
        with subtests.test(operation.label):
            _try(operation, larder, known)


def operations_of(larder: Larder) -> list[Any]:
    """Every operation of the document. Raises InvalidSchema for one that cannot be understood."""
    document = schemathesis.openapi.from_dict(larder.api.call("GET", "/openapi.json"))
    operations = []
    for result in document.get_all_operations():
        if isinstance(result, Err):
            raise result.err()
        operations.append(result.ok())
    return operations


def _try(operation: Any, larder: Larder, known: Known) -> None:
    # a key of its own: a generated request may revoke one
    headers = {"X-API-Key": larder.key(*Scope, name=operation.label)}
    _try_as(operation, larder, known, headers, EXAMPLES)


def test_no_input_of_a_stranger_breaks_a_route(larder: Larder, known: Known, subtests: pytest.Subtests) -> None:
    for operation in operations_of(larder):
        with subtests.test(operation.label):
            answers = _try_as(operation, larder, known, {}, STRANGE_EXAMPLES)
            if operation.definition.raw["x-access"] != "OPEN":
                assert answers == {401}


def _try_as(operation: Any, larder: Larder, known: Known, headers: Mapping[str, str], examples: int) -> set[int]:
    """The statuses that came, each of them one that the document has."""
    answers: set[int] = set()
    listed = {int(status) for status in operation.definition.raw["responses"] if status != "default"}

    @given(
        case=operation.as_strategy(),
        about=_parameters(operation.path, known),
        conditions=st.just({}) | st.sampled_from(CONDITIONS),
    )
    @settings(
        max_examples=examples,
        phases=[Phase.explicit, Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    def try_one(case: Any, about: Mapping[str, str], conditions: Mapping[str, str]) -> None:
        case.path_parameters = {**(case.path_parameters or {}), **about}
        response = case.call(base_url=larder.url, headers={**headers, **conditions}, timeout=20)
        told = f"{case.as_curl_command()}\n{response.status_code} {response.content[:2000]!r}"
        assert response.status_code < 500 or response.status_code in _excused(operation), told
        assert response.status_code in listed | ANYWHERE, told
        assert response.headers["x-request-id"]
        if response.status_code >= 400:
            assert response.headers["content-type"][0].startswith(_refusal_types(operation)), told
        case.validate_response(response, checks=[response_schema_conformance])
        answers.add(response.status_code)

    try_one()
    return answers


def _parameters(path: str, known: Known) -> st.SearchStrategy[Mapping[str, str]]:
    """Values for the path: none, which leaves those that were generated, or those of things that exist."""
    starts = itertools.accumulate(path.split("/"), lambda before, part: f"{before}/{part}")
    found = {start.rpartition("{")[2][:-1]: known[start] for start in starts if start in known}
    if not found:
        return st.just({})
    return st.just({}) | st.fixed_dictionaries({name: st.sampled_from(values) for name, values in found.items()})


def _refusal_types(operation: Any) -> tuple[str, ...]:
    """RFC 9457; where RFC 6749 says how a refusal looks, that too."""
    problem = "application/problem+json"
    return (problem, "application/json") if operation.path.startswith("/oauth/") else (problem,)


def _excused(operation: Any) -> tuple[int, ...]:
    return (UNAVAILABLE, TIMED_OUT) if operation.label == "PUT /v1/pvs/{id}/value" else ()


def test_every_route_is_in_the_document(larder: Larder) -> None:
    paths = larder.api.call("GET", "/openapi.json")["paths"]
    for expected in ("/v1/pvs", "/v1/tags", "/v1/snapshots", "/v1/jobs", "/v1/api-keys", "/v1/health/summary"):
        assert expected in paths
