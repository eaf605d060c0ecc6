"""HEAD is the newest revision on disk, and the only one that nothing follows."""

from __future__ import annotations

from backend.src.infra.sql.migrations import HEAD
from backend.src.infra.sql.upgrade import script


def test_head_is_the_newest_revision() -> None:
    assert script().get_heads() == [HEAD]


def test_revisions_are_numbered_in_order() -> None:
    numbers = [revision.revision for revision in script().walk_revisions()]
    assert numbers == sorted(numbers, reverse=True)
    assert all(len(number) == len(HEAD) for number in numbers)  # they are compared as text
