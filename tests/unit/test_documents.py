"""The documents tell the truth about the tree: links, paths, commands, generated tables."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from backend.src.__main__ import COMMANDS
from backend.src.config.loading import environment_names, options
from backend.src.services.restore.models import Result, Verdict
from backend.src.services.snapshots.archive import SCHEMA
from bench.plots import drawings
from docs.archive_columns import MEANINGS
from docs.generate import filled
from docs.sample_files import FILES

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_link = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_heading = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_path = re.compile(r"(?<![\w./-])((?:backend|bench|docker|docs|tests)/[\w./-]*\w)")
_command = re.compile(r"python -m backend\.src ([a-z].*?)(?:`|  #|$)", re.MULTILINE)
_make = re.compile(r"^ {4}make (\w+)|`make (\w+)`", re.MULTILINE)
_foreign = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|Users|mnt|opt/pypi)/")

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


@documents
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in _link.findall(text_of(document)):
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = link.partition("#")
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), f"{document.name} links to {link}"
        assert not anchor or anchor in anchors(path), f"{document.name} links to {link}"


@documents
def test_every_path_that_is_named_exists(document: Path) -> None:
    missing = [name for name in _path.findall(text_of(document)) if not (ROOT / name).exists()]
    assert not missing


@documents
def test_every_generated_table_is_what_the_code_says(document: Path) -> None:
    text = text_of(document)
    assert filled(text) == text, "run: python -m docs.generate"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_sample_files_are_what_the_settings_say(path: Path) -> None:
    assert text_of(path) == FILES[path](), "run: python -m docs.generate"


@documents
def test_no_document_knows_a_machine(document: Path) -> None:
    assert not _foreign.findall(text_of(document))


@documents
def test_every_command_exists(document: Path) -> None:
    for line in _command.findall(text_of(document)):
        assert shlex.split(line.replace("'", ""), comments=True)[0] in COMMANDS, line


@documents
def test_every_make_target_exists(document: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {one or other for one, other in _make.findall(text_of(document))}
    assert named <= targets


@documents
def test_python_examples_compile(document: Path) -> None:
    for number, example in enumerate(re.findall(r"^```python\n(.*?)^```", text_of(document), re.MULTILINE | re.DOTALL)):
        compile(example, f"{document.name} example {number}", "exec")


def test_every_document_is_in_the_index() -> None:
    index = text_of(ROOT / "docs" / "README.md") + text_of(ROOT / "docs" / "adr" / "README.md")
    lost = [path.name for path in (ROOT / "docs").rglob("*.md") if path.name != "README.md" and path.name not in index]
    assert not lost


def test_decisions_have_their_three_parts() -> None:
    for page in (ROOT / "docs" / "adr").glob("0*.md"):
        assert {"Context", "Decision", "Consequences"} <= set(_heading.findall(text_of(page))), page.name


def anchors(document: Path) -> set[str]:
    """As GitHub makes them from headings."""
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _heading.findall(text_of(document)))
    return {heading.replace(" ", "-") for heading in words}


@pytest.mark.parametrize("code", [*Verdict, *Result])
def test_every_verdict_and_result_of_a_restore_is_explained(code: str) -> None:
    assert f"`{code}`" in text_of(ROOT / "docs" / "explanation" / "safety.md")


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text_of(ROOT / "docs" / "reference" / "known-faults.md"))
    assert len(named) > 30
    lost = [f"{file}::{test}" for file, test in named if f"def {test}(" not in text_of(ROOT / file)]
    assert not lost


def test_the_archive_has_no_column_that_nobody_explains_and_no_other() -> None:
    explained = {*MEANINGS, *(name for name in SCHEMA.names if name.startswith("limit_"))}
    assert explained == set(SCHEMA.names)


@pytest.mark.parametrize("page", sorted((ROOT / "docs/reference").glob("performance*.md")), ids=lambda path: path.stem)
def test_the_drawings_show_what_the_bench_wrote(page: Path) -> None:
    for name, content in drawings(text_of(page)).items():
        assert content.count('class="ours"') > 3
        assert text_of(page.parent / name) == content, "run: python -m bench.plots"


COMPARISON = text_of(ROOT / "docs" / "explanation" / "comparison.md")
TOOLS = ("Larder", "Squirrel", "Phoebus", "PSI", "MASAR", "BURT", "autosave")
ANSWERS = ("yes", "part", "no", "?")
_compared = re.findall(r"^### (\d+)\. (.+)\n((?:- \*\*.*\n)+)", COMPARISON, re.MULTILINE)
_claim = re.compile(r"^- \*\*(\w+)\*\*: (.+)$", re.MULTILINE)


def glance() -> dict[str, dict[str, str]]:
    """The answer of each tool, by the row's number."""
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| (.+) \|$", COMPARISON, re.MULTILINE)
    return {number: dict(zip(TOOLS, answers.split(" | "), strict=True)) for number, answers in rows}


def test_each_row_of_the_comparison_is_explained() -> None:
    assert [number for number, _, _ in _compared] == list(glance()) == [str(n + 1) for n in range(len(_compared))]
    assert {answer for row in glance().values() for answer in row.values()} == set(ANSWERS)
    for number, title, _ in _compared:
        assert f"| {number} | {title} |" in COMPARISON


@pytest.mark.parametrize(("number", "claims"), [(number, claims) for number, _, claims in _compared])
def test_each_claim_of_the_comparison_has_its_proof_or_source(number: str, claims: str) -> None:
    told = dict(_claim.findall(claims))
    assert tuple(told) == TOOLS
    for test in re.findall(r"`(tests/[\w/]+\.py::\w+)`", told["Larder"]):
        file, name = test.split("::")
        assert f"def {name}(" in text_of(ROOT / file), test
    measured = text_of(ROOT / "docs/reference/performance.md").replace("`", "")
    for row in re.findall(r"bench: ([^;`\n]+?)(?=;|$)", told["Larder"]):
        assert f"| {row} |" in measured, row
    assert "`tests/" in told["Larder"] or "bench: " in told["Larder"]
    for tool in TOOLS[1:]:
        sources = re.findall(r"\]\[([\w-]+)\]", told[tool])
        assert all(f"\n[{source}]: http" in COMPARISON for source in sources), tool
        assert sources or "not found" in told[tool], f"{number}, {tool}: no source"
        assert sources or glance()[number][tool] == "?", f"{number}, {tool}: an answer without a source"


SETTINGS = re.compile(r"^```ini\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


@documents
def test_every_variable_of_an_example_is_read(document: Path) -> None:
    named = {name for block in SETTINGS.findall(text_of(document)) for name in re.findall(r"^([A-Z_]+)=", block, re.M)}
    assert named <= {*environment_names(), "EPICS_CA_ADDR_LIST", "EPICS_PVA_ADDR_LIST"}


@documents
def test_every_key_of_an_example_is_an_option(document: Path) -> None:
    known = {(section, option.name) for section, option in options()}
    for block in TOML.findall(text_of(document)):
        for section, values in tomllib.loads(block).items():
            assert isinstance(values, list) or {(section, key) for key in values} <= known, f"[{section}] in {document}"
