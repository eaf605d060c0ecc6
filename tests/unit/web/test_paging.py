"""A token comes back as it was written, and nothing else passes for one."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.core.errors import Invalid
from backend.src.web.inputs import MOST_BIGINT
from backend.src.web.paging import read_token, write_token

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
BIGINT = st.integers(-MOST_BIGINT, MOST_BIGINT)
MOMENT = st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))


@given(name=TEXT, number=BIGINT, moment=MOMENT)
def test_keys_come_back_as_they_were(name: str, number: int, moment: datetime) -> None:
    token = write_token("pvs", name, number, moment)
    assert read_token(token, "pvs", str, int, datetime) == (name, number, moment)
    assert token.replace("-", "").replace("_", "").isalnum()


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=-8)))
    assert read_token(write_token("jobs", moment), "jobs", datetime) == (moment,)


@given(st.text(max_size=80))
def test_any_other_text_is_invalid(token: str) -> None:
    with pytest.raises(Invalid):
        read_token(token, "pvs", str, int)


def encode(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "content",
    [
        ["tags", "a", 1],
        ["pvs", "a"],
        ["pvs", "a", 1, 2],
        ["pvs", 1, 1],
        ["pvs", "a", "1"],
        ["pvs", "a", True],
        ["pvs", "a", 1.0],
        ["pvs", "a", 2**63],
        ["pvs", "a\0", 1],
        ["pvs", "\ud800", 1],
        [["pvs"], "a", 1],
        {"pvs": 1},
        None,
        [],
    ],
)
def test_a_token_that_was_tampered_with_is_invalid(content: object) -> None:
    with pytest.raises(Invalid):
        read_token(encode(content), "pvs", str, int)


@pytest.mark.parametrize(
    "moment", ["yesterday", "2026-01-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-10:00"]
)
def test_a_moment_that_cannot_be_stored_is_invalid(moment: str) -> None:
    with pytest.raises(Invalid):
        read_token(encode(["jobs", moment]), "jobs", datetime)
