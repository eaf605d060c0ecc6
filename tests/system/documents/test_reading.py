"""The reading of pages and outputs: what it takes for a block, and what for a difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.documents.outputs import difference
from tests.system.documents.pages import Kind, blocks
from tests.system.documents.shell import Shell

PAGE = """# A page

- a list
    that goes on

    curl -s $URL \\
        -d x

<!-- not run: a reason -->
```sh
make run
```

    unheard-of --option

```http
GET /v1/pvs
```

<!-- output -->
```text
1 restored
```

```python
print(1)
```
"""


def test_a_page_is_what_a_reader_types_and_sees(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    found = blocks(tmp_path / "page.md")
    kinds = [block.kind for block in found]
    assert kinds == [Kind.SHELL, Kind.SHELL, Kind.SHELL, Kind.OTHER, Kind.OUTPUT, Kind.PYTHON]
    assert found[0].text == "curl -s $URL \\\n    -d x\n" and found[0].marks == ()
    assert found[1].mark("not run") == "a reason" and found[1].line == 11
    assert found[2].text == "unheard-of --option\n" and found[5].marks == ()


@pytest.mark.parametrize("begin", ["```", "```tmol", "   ```sh", "```sh {.copy}"])
def test_no_block_is_passed_over(tmp_path: Path, begin: str) -> None:
    (tmp_path / "page.md").write_text(f"{begin}\nrm something\n```\n")
    with pytest.raises(ValueError, match=r"fence|known as data"):
        blocks(tmp_path / "page.md")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("2 differ, 30 match", "4 differ, 28 match"),
        ("PV   delta\nA:1  0.5", "PV  delta\nA:1 -1.25e-07\n"),
        ("key lrd_4ac0660d_...", "key lrd_5b2eeee0_Ce9h5omfOxFvJ75yiM-Ffp7kTtHo"),
        ("made 2026-11-22T17:39:03Z by ...", "made 2027-01-01T00:00:00.5Z by somebody else"),
        ("first\n...\nlast", "first\nsecond\nthird\nlast"),
        ("first\n...\nlast", "first\nlast"),
        ("snapshot 20126c8f522fe79a", "snapshot a2f6be5d11553350"),
    ],
)
def test_what_changes_from_run_to_run_is_no_difference(shown: str, printed: str) -> None:
    assert difference(shown, printed) is None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("1 restored", "1 failed"),
        ("1 restored", "1 restored, 1 failed"),
        ("QUAD:LI21:201:BCTRL write", "QUAD:LI22:201:BCTRL write"),
        ("first\n...\nlast", "first\nlast\nand more"),
        ("a 1", "a b"),
    ],
)
def test_a_word_more_or_less_is_one(shown: str, printed: str) -> None:
    assert difference(shown, printed)


def test_a_shell_goes_on_from_block_to_block_and_tells_what_failed(tmp_path: Path) -> None:
    with Shell(tmp_path, {"PATH": "/usr/bin:/bin"}) as shell:
        assert shell.run("A=1; f() { echo $A; }").code == 0
        assert shell.run("f; cat").output == "1\n"
        failed = shell.run("false\ntrue")
        assert (failed.code, failed.failed.strip()) == (0, "1:false")
        assert shell.run("true || false").failed == ""
        assert shell.run("exit_with() { return 3; }; exit_with").code == 3
