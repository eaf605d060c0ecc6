"""Every command and script of README, tutorial and how-tos does what its page says, on one demonstration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.larder import ROOT
from tests.system.documents.clone import READERS_ADDRESS, Demonstration, make_clone
from tests.system.documents.outputs import difference
from tests.system.documents.pages import Block, Kind, blocks
from tests.system.documents.shell import Ran, Shell

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs/tutorial").glob("*.md")),
    *sorted((ROOT / "docs/how-to").glob("*.md")),
]
WHOLE_PAGE, ONE_BLOCK = "not run on this page", "not run"
STARTED = "make run\n"  # by the demonstration of these tests
# what may not happen by accident on the machine of whoever runs the tests
NEVER = re.compile(r"^\s*(?:sudo |docker|kubectl|helm|git|make|apt|systemctl|pip|npm)\b", re.MULTILINE)
STOPPED = 124  # as timeout(1) has it
PASSWORD = "four words that differ"


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    folder = tmp_path_factory.mktemp("clone")
    make_clone(folder)
    with Demonstration(folder) as running:
        yield running


def is_run(page: Path) -> bool:
    return any(block.is_typed and not left_alone(block) for block in blocks(page))


def left_alone(block: Block) -> bool:
    return block.mark(WHOLE_PAGE) is not None or block.mark(ONE_BLOCK) is not None


@pytest.mark.parametrize("page", [page for page in PAGES if is_run(page)], ids=lambda page: page.stem)
def test_the_page_does_what_it_says(page: Path, demonstration: Demonstration) -> None:
    demonstration.people({"ann": "administrator"} if page.stem != "people" else {"bob": "operator"}, PASSWORD)
    with Shell(demonstration.folder, demonstration.environment()) as shell:
        reader = Reader(demonstration, shell)
        for block in blocks(page):
            reader.meet(block, f"{page.relative_to(ROOT)}:{block.line}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_not_run_says_why(page: Path) -> None:
    for block in blocks(page):
        for name in (WHOLE_PAGE, ONE_BLOCK):
            assert block.mark(name) != "", f"{page.name}:{block.line} says no reason"


class Reader:
    """Types each block, and looks whether what is printed is what the page shows."""

    def __init__(self, demonstration: Demonstration, shell: Shell) -> None:
        self._demonstration = demonstration
        self._shell = shell
        self._last = ""
        self._seen = demonstration.printed  # what a reader copies ids and keys from
        shell.run(f"export KEY={demonstration.key} URL=http://{demonstration.address} PASSWORD='{PASSWORD}'")

    def meet(self, block: Block, where: str) -> None:
        """One block of the page. Raises AssertionError when it does not do what the page says."""
        if left_alone(block):
            return
        if block.kind is Kind.FILE:
            (self._demonstration.folder / str(block.mark("file"))).write_text(block.text)
        elif block.kind is Kind.OUTPUT:
            wrong = difference(block.text, self._last)
            assert wrong is None, f"{where}: {wrong}"
        elif block.is_typed:
            self._type(block, where)

    def _type(self, block: Block, where: str) -> None:
        if block.text == STARTED:
            self._last = self._demonstration.printed
            return
        assert not NEVER.search(block.text), f"{where}: say why this is not run"
        asked = block.mark("asks for")
        ran = self._shell.run(self._as_typed(block), stdin="</dev/null" if asked is None else f'<<<"${asked}"')
        self._last = ran.output.replace(self._demonstration.address, READERS_ADDRESS)
        self._seen += self._last
        _check(block, ran, where)

    def _as_typed(self, block: Block) -> str:
        text = block.text.replace(READERS_ADDRESS, self._demonstration.address)
        for name, pattern in _filled_in(block):
            found = re.findall(pattern, self._seen)
            assert found, f"nothing to fill in for {name}: {pattern} is not in {self._seen[-500:]}"
            text, count = re.subn(rf"(?m)\b{name}=\S+", f"{name}={found[-1]}", text)
            assert count, f"{name} is not assigned in {block.text}"
        seconds = block.mark("stop after")
        if block.kind is Kind.PYTHON:
            script = self._demonstration.folder / f"line{block.line}.py"
            script.write_text(text)
            text = f".venv/bin/python {script.name}"
        return text if seconds is None else f"timeout {seconds.removesuffix(' s')} {text}"


def _filled_in(block: Block) -> Iterator[tuple[str, str]]:
    for mark in block.marks:
        if mark.startswith("fills in "):
            name, _, pattern = mark.removeprefix("fills in ").partition(": ")
            yield name, pattern


def _check(block: Block, ran: Ran, where: str) -> None:
    stopped = block.mark("stop after") is not None
    expected = STOPPED if stopped else int(block.mark("exit") or 0)
    assert ran.code == expected, f"{where}: exit code {ran.code}\n{ran.output}"
    assert expected or not ran.failed.strip(), f"{where}: {ran.failed}\n{ran.output}"
    assert "Traceback" not in ran.output, f"{where}: {ran.output}"
