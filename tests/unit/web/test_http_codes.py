"""The codes are those of the standard library's table, which follows IANA's registry."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from backend.src.web.http_codes import UNOFFICIAL, HttpCodes

# Python 3.13 took the names of RFC 9110; before, these were those of RFC 7231
OLD_NAMES = {
    "REQUEST_ENTITY_TOO_LARGE": "CONTENT_TOO_LARGE",
    "REQUEST_URI_TOO_LONG": "URI_TOO_LONG",
    "REQUESTED_RANGE_NOT_SATISFIABLE": "RANGE_NOT_SATISFIABLE",
    "UNPROCESSABLE_ENTITY": "UNPROCESSABLE_CONTENT",
}


def test_every_registered_code_has_its_registered_name() -> None:
    registered = {code.value: OLD_NAMES.get(code.name, code.name) for code in HTTPStatus}
    assert {code.value: code.name for code in HttpCodes if code.registered} == registered


def test_the_others_are_named_as_such() -> None:
    assert {code for code in HttpCodes if not code.registered} == UNOFFICIAL
    assert {444, 499, 520, 526, 530} < UNOFFICIAL and not {401, 500} & UNOFFICIAL


@pytest.mark.parametrize("code", list(HttpCodes))
def test_content_is_allowed_where_the_rfc_allows_it(code: HttpCodes) -> None:
    assert code.allows_content is (code >= 200 and code not in (204, 205, 304))


def test_phrases_are_for_people() -> None:
    assert HttpCodes.NOT_FOUND.phrase == "Not found"
    assert HttpCodes.URI_TOO_LONG.phrase == "URI too long"
    assert all(code.phrase and "_" not in code.phrase for code in HttpCodes)
