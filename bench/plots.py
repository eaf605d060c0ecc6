"""The tables of the page as drawings: `python -m bench.plots` draws them again from the page that is there.

Plain SVG, so that the page is readable in a clone, without a network and in either colour scheme. The scale is
logarithmic, therefore dots and not bars: a bar would need a zero to begin at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from bench.report import ROOT

WIDTH, LABELS, RIGHT, ROW, TOP = 760, 290, 70, 26, 56
_UNITS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}
_time = re.compile(r"([\d.]+) (µs|ms|s)\b")
_row = re.compile(r"^\| (.+) \|$")
STYLE = """
text { font: 13px sans-serif; fill: #24292f } .axis { fill: #57606a; font-size: 11px }
.grid { stroke: #d0d7de } .ours { fill: #0969da } .span { stroke: #0969da; stroke-width: 2 }
.limit { stroke: #57606a; stroke-width: 2 } .theirs { fill: none; stroke: #bc4c00; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .axis { fill: #8b949e } .grid { stroke: #30363d }
.ours { fill: #58a6ff } .span { stroke: #58a6ff } .limit { stroke: #8b949e } .theirs { stroke: #f0883e } }
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One piece of work: seconds; None where the page has none."""

    work: str
    ours: float
    least: float
    most: float
    limit: float | None
    theirs: float | None


def drawings(page: str) -> dict[str, str]:
    """File names and their content, for a page that bench/report.py wrote."""
    stem = "performance-with-servers" if "redis-server" in page else "performance"
    works, beside, *_ = page.split("\n## ")
    scenario = [_of_scenario(cells) for cells in _cells(works)]
    pairs = [_of_pair(cells) for cells in _cells(beside)]
    return {
        f"{stem}-work.svg": draw("Larder, its limits, and Squirrel", "Squirrel", scenario),
        f"{stem}-aioca.svg": draw("Larder and plain aioca", "aioca", pairs),
    }


def _cells(text: str) -> Iterator[list[str]]:
    """The rows of its tables, without heads."""
    for line in text.splitlines():
        if (found := _row.match(line)) and _time.search(line):
            yield [cell.strip().replace("`", "") for cell in found[1].split(" | ")]


def _of_scenario(cells: list[str]) -> Line:
    work, took, at_most, squirrel = cells
    times = _seconds(took)
    return Line(work, times[0], times[1], times[2], _first(at_most), _first(squirrel))


def _of_pair(cells: list[str]) -> Line:
    work, ours, theirs, _ = cells
    (us,) = _seconds(ours)
    return Line(work, us, us, us, None, _first(theirs))


def _seconds(cell: str) -> list[float]:
    return [float(number) * _UNITS[unit] for number, unit in _time.findall(cell)]


def _first(cell: str) -> float | None:
    return next(iter(_seconds(cell)), None)


def draw(title: str, other: str, lines: list[Line]) -> str:
    """One drawing: a row for each line, from fast on the left to slow on the right."""
    if not lines:
        return ""
    scale = _Scale([time for line in lines for time in (line.least, line.most, line.limit, line.theirs) if time])
    height = TOP + ROW * len(lines) + 26
    limits = any(line.limit for line in lines)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        *_legend(other, with_limits=limits),
        *scale.grid(height),
        *(part for number, line in enumerate(lines) for part in _marks(line, TOP + ROW * number, scale)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """Seconds to the place from the left; each power of ten as wide as the others."""

    def __init__(self, times: list[float]) -> None:
        self._low = math.floor(math.log10(min(times)))
        self._high = math.ceil(math.log10(max(times)))

    def x(self, seconds: float) -> float:
        share = (math.log10(seconds) - self._low) / max(1, self._high - self._low)
        return round(LABELS + share * (WIDTH - LABELS - RIGHT), 1)

    def grid(self, height: int) -> Iterator[str]:
        for power in range(self._low, self._high + 1):
            x = self.x(10.0**power)
            yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{height - 24}"/>'
            yield f'<text class="axis" x="{x}" y="{height - 8}" text-anchor="middle">{_power(power)}</text>'


def _power(power: int) -> str:
    unit, below = next((unit, below) for unit, below in (("s", 0), ("ms", -3), ("µs", -6)) if power >= below)
    return f"{10 ** (power - below):,} {unit}"


def _legend(other: str, *, with_limits: bool) -> Iterator[str]:
    yield '<circle class="ours" cx="14" cy="20" r="5"/><text x="26" y="25">Larder: median, least to most</text>'
    yield f'<rect class="theirs" x="246" y="15" width="10" height="10"/><text x="264" y="25">{escape(other)}</text>'
    if with_limits:
        yield '<line class="limit" x1="350" x2="350" y1="12" y2="28"/><text x="360" y="25">at most</text>'


def _marks(line: Line, top: int, scale: _Scale) -> Iterator[str]:
    y = top + ROW // 2
    yield f'<text x="{LABELS - 14}" y="{y + 4}" text-anchor="end">{escape(line.work)}</text>'
    yield f'<line class="span" x1="{scale.x(line.least)}" x2="{scale.x(line.most)}" y1="{y}" y2="{y}"/>'
    yield f'<circle class="ours" cx="{scale.x(line.ours)}" cy="{y}" r="5"/>'
    if line.limit:
        x = scale.x(line.limit)
        yield f'<line class="limit" x1="{x}" x2="{x}" y1="{y - 8}" y2="{y + 8}"/>'
    if line.theirs:
        yield f'<rect class="theirs" x="{scale.x(line.theirs) - 5:.1f}" y="{y - 5}" width="10" height="10"/>'


def write(page: Path) -> None:
    """Draws what the page says, beside it."""
    for name, content in drawings(page.read_text(encoding="utf-8")).items():
        (page.parent / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    for stem in ("performance", "performance-with-servers"):
        if (found := ROOT / "docs/reference" / f"{stem}.md").exists():
            write(found)
