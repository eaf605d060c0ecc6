"""What `larder audit` tells to type."""

from __future__ import annotations

import re
from pathlib import Path

from backend.src.commands.audit import FILTERS

DOCS = Path(__file__).parents[3] / "docs"


def test_every_action_that_is_named_can_be_found() -> None:
    """The filter is exact, and an action is its route."""
    routes = set(re.findall(r"^\| `([A-Z]+)` \| `(/[^`]+)` \|", (DOCS / "reference/api.md").read_text(), re.MULTILINE))
    text = FILTERS["action"] + (DOCS / "how-to/audit.md").read_text()
    named = set(re.findall(r"[`\"](PUT|POST|PATCH|DELETE) (/[^`\"]+)[`\"]", text))
    assert named and named <= routes
