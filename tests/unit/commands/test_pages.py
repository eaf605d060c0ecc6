"""`larder pages` without a network: what makes it install, and what it says when it cannot."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from backend.src.commands import pages
from backend.src.core.errors import LarderError
from backend.src.web.docs.assets import MANIFEST, installed_files
from backend.src.web.docs.browsers import npm_files

run_npm_itself = pages._run_npm


@pytest.fixture(autouse=True)
def npm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the files up."""

    def run_npm(work: Path) -> None:
        for file in npm_files():
            path = work / "node_modules" / file.package / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"// {file.name}\n")

    monkeypatch.setattr(pages, "_run_npm", run_npm)


def test_it_installs_once(tmp_path: Path) -> None:
    folder = tmp_path / "share" / "pages"
    assert [pages.install(folder), pages.install(folder)] == [True, False]


@pytest.mark.parametrize("lost", [MANIFEST, npm_files()[0].name, f"{npm_files()[0].name}.gz"])
def test_it_repairs_what_was_lost(lost: str, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    pages.install(folder)
    (folder / lost).unlink()
    assert pages.install(folder)
    assert installed_files(folder)


def test_json_is_all_that_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pages, "INSTALLED", tmp_path / "pages")
    pages.run(argparse.Namespace(json=True))
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"folder": str(tmp_path / "pages"), "installed": True}
    assert "installing" in printed.err


def test_a_folder_that_cannot_be_made_is_told_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LarderError, match="cannot be put into") as told:
        pages.install(tmp_path / "file" / "pages")
    assert told.value.remedy


def test_a_node_that_does_not_start_is_told_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_npm", lambda: ([str(tmp_path / "node")], []))
    with pytest.raises(LarderError, match="cannot be started") as told:
        run_npm_itself(tmp_path)
    assert told.value.remedy
