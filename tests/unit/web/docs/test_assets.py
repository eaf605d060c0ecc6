"""What counts as installed, and how a file is answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.src.config.settings import DocsSettings
from backend.src.core.errors import Unavailable
from backend.src.web.docs import Assets, DocumentationHandler
from backend.src.web.docs.assets import MANIFEST, installed_files
from backend.src.web.docs.browsers import npm_files
from tests.unit.web.conftest import client_of, make_app
from tests.unit.web.docs.installed import installed_pages

FILE = npm_files()[0]


def test_all_that_the_pages_load_is_there(tmp_path: Path) -> None:
    assert installed_files(installed_pages(tmp_path)).keys() == {file.name for file in npm_files()}


@pytest.mark.parametrize("lost", [MANIFEST, FILE.name, f"{FILE.name}.gz"])
def test_what_lacks_a_file_is_not_installed(lost: str, tmp_path: Path) -> None:
    (installed_pages(tmp_path) / lost).unlink()
    assert installed_files(tmp_path) == {}


def test_what_its_manifest_does_not_name_is_not_installed(tmp_path: Path) -> None:
    manifest = json.loads((installed_pages(tmp_path) / MANIFEST).read_bytes())
    del manifest["files"][FILE.name]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert installed_files(tmp_path) == {}


@pytest.mark.parametrize("text", ["", '{"lock": ', "[]", "{}", '{"lock": "x", "files": 3}', "\udcff"])
def test_a_damaged_manifest_stops_nothing(text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (installed_pages(tmp_path) / MANIFEST).write_text(text, errors="surrogateescape")
    with pytest.raises(Unavailable):
        Assets(tmp_path).installed(FILE)
    assert "damaged" in caplog.text


async def test_a_file_comes_as_a_whole(tmp_path: Path) -> None:
    assets = Assets(installed_pages(tmp_path))
    address = assets.installed(FILE).address
    async with client_of(make_app(DocumentationHandler(DocsSettings(), assets)), key=None) as client:
        for part in ("bytes=0-9", "bytes=0-1,5-6", "bytes=999999-", "bytes=x"):
            answer = await client.get(address, headers={"range": part})
            assert (answer.status_code, answer.content) == (200, (tmp_path / FILE.name).read_bytes())


async def test_a_file_that_is_gone_is_a_problem_with_a_remedy(tmp_path: Path) -> None:
    assets = Assets(installed_pages(tmp_path))
    (tmp_path / f"{FILE.name}.gz").unlink()
    async with client_of(make_app(DocumentationHandler(DocsSettings(), assets)), key=None) as client:
        answer = await client.get(assets.installed(FILE).address)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "backend.src pages" in answer.json()["remedy"]
    assert answer.headers["cache-control"] == "no-store"
