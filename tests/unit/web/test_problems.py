"""Every error leaves as a problem document, and none of them tells more than it should."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from backend.src.core import errors
from backend.src.web.http_codes import HttpCodes
from backend.src.web.problems import SHAPES, shape_of
from tests.unit.web.conftest import client_of, make_app
from tests.unit.web.sample import Sample


@pytest.fixture
def sample() -> Sample:
    return Sample()


@pytest.fixture
def app(sample: Sample) -> FastAPI:
    return make_app(sample)


def tree(kind: type[errors.LarderError] = errors.LarderError) -> Iterator[type[errors.LarderError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_each_class_of_the_tree_has_its_own_status() -> None:
    drawn = {kind for kind in tree() if kind.__module__ == errors.__name__}
    assert drawn == set(SHAPES)


async def test_each_class_is_rendered_with_its_remedy(sample: Sample, app: FastAPI) -> None:
    async with client_of(app) as client:
        for kind in SHAPES:
            sample.error = kind("it went wrong", remedy="do this")
            answer = await client.delete("/things", headers={"X-Request-ID": "abc"})
            assert answer.status_code == shape_of(kind).status
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json() == {
                "type": "about:blank",
                "title": shape_of(kind).title,
                "status": answer.status_code,
                "detail": "it went wrong",
                "instance": "/things",
                "requestId": "abc",
                "remedy": "do this",
            }


async def test_a_class_that_is_not_in_the_table_takes_its_ancestors_status(sample: Sample, app: FastAPI) -> None:
    class PvNotFound(errors.NotFound):
        pass

    sample.error = PvNotFound("pv 7 not found")
    async with client_of(app) as client:
        assert (await client.delete("/things")).status_code == HttpCodes.NOT_FOUND


async def test_text_that_is_no_utf8_can_be_told(sample: Sample, app: FastAPI) -> None:
    """The machine's own texts come with lone surrogates where they were not UTF-8."""
    sample.error = errors.NotFound("there is no \udcff")
    async with client_of(app) as client:
        answer = await client.delete("/things")
        assert json.loads(answer.content)["detail"] == "there is no \udcff"


async def test_what_is_wrong_with_each_part_is_told(sample: Sample, app: FastAPI) -> None:
    sample.error = errors.Invalid("two are wrong", errors=[errors.FieldError(("pvs", 3, "setpoint"), "taken")])
    async with client_of(app) as client:
        answer = await client.delete("/things")
        assert answer.json()["errors"] == [{"where": ["pvs", 3, "setpoint"], "message": "taken"}]
        answer = await client.post("/things", json={"theName": "", "unknown": "a secret"})
        where = {tuple(error["where"]) for error in answer.json()["errors"]}
        assert where == {("body", "theName"), ("body", "unknown")}
        assert "a secret" not in answer.text


async def test_a_crash_tells_nothing_but_its_request_id(
    sample: Sample, app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    sample.error = ZeroDivisionError("the password is hunter2")
    async with client_of(app) as client:
        answer = await client.delete("/things")
    # letters that are no hexadecimal digits: the id of the request holds others by chance
    assert answer.status_code == 500 and "hunter2" not in answer.text
    assert answer.headers["X-Request-ID"] == answer.json()["requestId"]
    record = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert record.exc_info is not None and answer.json()["requestId"] in record.getMessage()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PATCH", "/things", 405), ("GET", "/things/abc", 422), ("GET", "/things/1_0", 422)],
)
async def test_what_the_framework_refuses_is_a_problem_too(app: FastAPI, method: str, path: str, status: int) -> None:
    async with client_of(app) as client:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["X-Request-ID"] == answer.json()["requestId"]


async def test_all_methods_of_a_path_are_named(app: FastAPI) -> None:
    async with client_of(app) as client:
        assert (await client.patch("/things")).headers["Allow"] == "DELETE, POST, PUT"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 900,
        b'"\xff"',
        b'{"theName":"\\ud800"}',
        b'{"\\ud800":1}',
        b'{"theName":"a\\u0000b"}',
        b'{"theName":"a","tagIds":["1e3"]}',
        b'{"theName":"a","tagIds":[true]}',
        b'{"theName":"a","tagIds":["9999999999999999999"]}',
        b'{"theName":"a","absTolerance":NaN}',
        b'{"theName":"a","absTolerance":1e999}',
        b'{"theName":"a","absTolerance":-1}',
        b'{"theName":"' + b"a" * 300 + b'"}',
        b'{"theName":' + b"9" * 900 + b"}",
        b"",
    ],
)
async def test_no_body_makes_it_crash(app: FastAPI, sample: Sample, body: bytes) -> None:
    async with client_of(app) as client:
        answer = await client.post("/things", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
        assert json.loads(answer.content)["status"] == answer.status_code
    assert sample.reached == []
