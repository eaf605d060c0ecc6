"""/v1/pvs/import and /v1/pvs/export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.migrated import migrated
from tests.unit.web.endpoints.catalog_client import CatalogClient, catalog_client

LIST = "Setpoint,Readback,Area\nA,A:RB,north\nB,,\nb ad,,\n"
AS_CSV = {"Content-Type": "text/csv"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[CatalogClient]:
    async with catalog_client(await migrated(tmp_path)) as made:
        yield made


async def take(client: CatalogClient, content: Any = LIST, status: int = 200, **options: Any) -> Any:
    return await client.ask(status, "POST", "/v1/pvs/import", content=content, **({"headers": AS_CSV} | options))


async def test_an_import_reports_each_row(client: CatalogClient) -> None:
    report = await take(client)
    rows = report.pop("rows")
    assert report == {
        "dryRun": False, "created": 2, "updated": 0, "unchanged": 0, "rejected": 1,
        "groupsCreated": 1, "tagsCreated": 1,
    }  # fmt: skip
    assert [(row["line"], row["pvName"], row["outcome"]) for row in rows] == [
        (2, "A", "created"),
        (3, "B", "created"),
        (4, "b ad", "rejected"),
    ]
    assert "white space" in rows[2]["reason"]
    assert await client.noted() == (None, {"created": 2, "updated": 0})
    again = await take(client)
    assert (again["created"], again["unchanged"], again["rejected"]) == (0, 2, 1)
    assert (await client.ask(200, "GET", "/v1/pvs"))[0]["createdBy"] == "everything (key 1)"


async def test_a_dry_run_changes_nothing(client: CatalogClient) -> None:
    dry = await take(client, params={"dryRun": True})
    assert await client.ask(200, "GET", "/v1/pvs") == await client.ask(200, "GET", "/v1/tags") == []
    assert dry | {"dryRun": False} == await take(client)


@pytest.mark.parametrize("kind", ["text/csv; charset=utf-8", "TEXT/CSV", "text/plain", "application/octet-stream", ""])
async def test_the_body_is_the_file(client: CatalogClient, kind: str) -> None:
    assert (await take(client, headers={"Content-Type": kind}))["created"] == 2


async def test_a_form_brings_the_file(client: CatalogClient) -> None:
    files = {"file": ("list.csv", b"\xef\xbb\xbf" + LIST.replace("\n", "\r\n").encode(), "text/csv")}
    assert (await client.ask(200, "POST", "/v1/pvs/import", files=files))["created"] == 2


@pytest.mark.parametrize(
    ("content", "headers", "words"),
    [
        (b"", AS_CSV, "line 1: the file is empty"),
        (b"Setpoint;Area\nA;x\n", AS_CSV, "by commas, not by ';'"),
        (b'Setpoint\n"A\n', AS_CSV, "line 2: damaged quoting"),
        (b"Setpoint\n\xff\n", AS_CSV, "line 2: byte 0xff is not UTF-8"),
        (b"PV\nA\n", AS_CSV, "unknown header 'PV'"),
        (b"{}", {"Content-Type": "application/json"}, "cannot be application/json"),
        (b"--x\r\n\r\nA\r\n--x--", {"Content-Type": "multipart/form-data"}, ""),
        (b"nonsense", {"Content-Type": "multipart/form-data; boundary=x"}, ""),
        (
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="o"\r\n\r\nA\r\n--x--\r\n',
            {"Content-Type": "multipart/form-data; boundary=x"},
            "no file called 'file'",
        ),
        (
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nSetpoint\r\n--x--\r\n',
            {"Content-Type": "multipart/form-data; boundary=x"},
            "",
        ),
    ],
)
async def test_what_is_no_list_is_refused(client: CatalogClient, content: bytes, headers: Any, words: str) -> None:
    response = await client.http.post("/v1/pvs/import", content=content, headers=headers)
    assert response.status_code in (400, 422), response.text
    assert words in response.json()["detail"] + response.json().get("remedy", "")
    assert await client.ask(200, "GET", "/v1/pvs") == []


async def test_an_export_streams_what_an_import_takes(client: CatalogClient) -> None:
    await client.add(*(f"P:{number}" for number in range(2_500)), description='a, "b"\nc', absTolerance=0.25)
    await take(client)
    exported = await client.answer(200, "GET", "/v1/pvs/export", params={"format": "csv"})
    assert exported.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in exported.headers["Content-Disposition"]
    report = await take(client, exported.content)
    assert (report["unchanged"], len(report["rows"])) == (2_502, 2_502)
    await client.ask(422, "GET", "/v1/pvs/export", params={"format": "xls"})
