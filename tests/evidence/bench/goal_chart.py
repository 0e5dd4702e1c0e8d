"""The picture of the documentation: how far each row of the benchmark is from its goal, a strip for each group."""

import math
from statistics import median
from typing import Any

from markupsafe import Markup

from tests.evidence.bench import report
from tests.evidence.documents import ROOT

PICTURE = ROOT / "docs" / "images" / "performance.svg"
_WIDTH, _LEFT, _RIGHT, _TOP = 960, 380, 900, 84
# A ratio is drawn by how often its goal is doubled to be it: an eighth to eight times; what lies beyond, at the end.
_DOUBLINGS = 3
_TICKS = {-3: "an eighth", -2: "a quarter", -1: "half", 0: "the goal", 1: "twice", 2: "four times", 3: "eight times"}
_RADIUS, _APART, _LEAST_STRIP = 4.5, 11, 46
_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t d">
<title id="t">How far the benchmark's rows are from their goals</title>
<desc id="d">{description}</desc>
<style>
  svg {{ --ground: #f3f5f4; --line: #b9c4c1; --ink: #17211f; --soft: #55625f; --good: #0b6e5f; --bad: #b4530a; --wash: #e3f1ee; }}
  @media (prefers-color-scheme: dark) {{ svg {{ --ground: #151b1a; --line: #45534f; --ink: #e6edeb; --soft: #9fb0ac; --good: #63d3bd; --bad: #f0a35e; --wash: #1d3430; }} }}
  .ground {{ fill: var(--ground); }} .wash {{ fill: var(--wash); }} .line {{ stroke: var(--line); }} .goal {{ stroke: var(--ink); stroke-width: 1.5; }}
  text {{ font: 15px system-ui, "DejaVu Sans", sans-serif; fill: var(--ink); }} .small {{ font-size: 13px; fill: var(--soft); }} .tick {{ text-anchor: middle; }}
  .good {{ fill: var(--good); stroke: var(--good); }} .bad {{ fill: var(--bad); stroke: var(--bad); }} .firefox {{ fill: none; stroke-width: 2; }}
</style>
"""  # noqa: E501 - a style sheet in short


def draw(benchmark: dict[str, Any]) -> str:
    """Returns the picture as SVG, which has colours for light and for dark."""
    strips = [_Strip(title, _dots(benchmark, group)) for group, title in report.TITLES.items()]
    drawn = [strip for strip in strips if strip.dots]
    tops = [_TOP]
    for strip in drawn:
        tops.append(tops[-1] + strip.height)
    parts = [_axis(tops[-1])]
    parts += [strip.draw(top) for strip, top in zip(drawn, tops, strict=False)]
    parts += [Markup('<path class="line" d="M24 {0}H{1}"/>').format(top, _WIDTH - 24) for top in tops]
    description = " ".join(f"{strip.title}: {strip.count} goals reached." for strip in drawn)
    head = Markup(_HEAD).format(width=_WIDTH, height=tops[-1] + 24, description=description)
    return str(head + Markup("\n").join(parts) + Markup("\n</svg>\n"))


def write(benchmark: dict[str, Any]) -> None:
    """Writes the picture into the documentation."""
    PICTURE.write_text(draw(benchmark), encoding="utf-8")


def _dots(benchmark: dict[str, Any], group: str) -> list[tuple[float, str]]:
    """Returns place and engine of each row of a group that has a goal and a measurement, from left to right."""
    rows = [row for row in benchmark["rows"] if row["group"] == group and report.verdict(row)]
    return sorted((_place(median(row["ratios"]), row["goal"]), row["engine"]) for row in rows)


def _place(ratio: float, goal: float) -> float:
    """Returns how often a goal is doubled to be the ratio: 0 if they are the same, negative if it is reached."""
    if ratio == goal:
        return 0.0
    doublings = math.log2(ratio / goal) if ratio and goal else math.copysign(_DOUBLINGS, ratio - goal)
    return max(-_DOUBLINGS, min(_DOUBLINGS, doublings))


def _x(place: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * (place + _DOUBLINGS) / (2 * _DOUBLINGS)


def _axis(bottom: int) -> Markup:
    parts = [
        Markup('<rect class="ground" width="{0}" height="{1}" rx="14"/>').format(_WIDTH, bottom + 24),
        Markup('<rect class="wash" x="{0}" y="{1}" width="{2}" height="{3}"/>').format(
            _LEFT - 10, _TOP, _x(0) - _LEFT + 10, bottom - _TOP
        ),
        Markup('<text x="{0}" y="34">reached</text><text x="{1}" y="34">missed</text>').format(_LEFT, _x(0) + 12),
        Markup(
            '<circle class="good" cx="30" cy="29" r="{0}"/><text class="small" x="42" y="34">Chromium</text>'
        ).format(_RADIUS),
        Markup(
            '<circle class="good firefox" cx="130" cy="29" r="{0}"/><text class="small" x="142" y="34">Firefox</text>'
        ).format(_RADIUS),
    ]
    for place, words in _TICKS.items():
        parts.append(
            Markup('<text class="small tick" x="{0}" y="66">{2}</text><path class="{3}" d="M{0} 74V{1}"/>').format(
                _x(place), bottom, words, "line" if place else "goal"
            )
        )
    return Markup("\n").join(parts)


class _Strip:
    """The dots of one group: those that would lie on each other are side by side."""

    def __init__(self, title: str, dots: list[tuple[float, str]]) -> None:
        self.title = title
        self.dots = dots
        self._levels = self._lay_out()

    @property
    def count(self) -> str:
        """How many of its goals are reached."""
        return f"{sum(place <= 0 for place, _ in self.dots)} of {len(self.dots)}"

    @property
    def height(self) -> int:
        """Its height in the picture."""
        return max(_LEAST_STRIP, _APART * (max(map(abs, self._levels), default=0) * 2 + 2))

    def draw(self, top: int) -> Markup:
        """Returns its elements."""
        middle = top + self.height / 2
        parts = [
            Markup('<text x="24" y="{0}">{1}</text><text class="small" x="24" y="{2}">{3}</text>').format(
                middle - 3, self.title, middle + 15, f"{self.count} goals reached"
            )
        ]
        for (place, engine), level in zip(self.dots, self._levels, strict=True):
            names = f"{'good' if place <= 0 else 'bad'}{' firefox' if engine == 'firefox' else ''}"
            parts.append(
                Markup('<circle class="{0}" cx="{1:.1f}" cy="{2}" r="{3}"/>').format(
                    names, _x(place), middle + level * _APART, _RADIUS
                )
            )
        return Markup("\n").join(parts)

    def _lay_out(self) -> list[int]:
        """Returns how many dots each is above or below the middle."""
        ends: dict[int, float] = {}
        levels = []
        for place, _ in self.dots:
            level = next(level for level in _alternating() if _x(place) - ends.get(level, -_WIDTH) >= _APART)
            ends[level] = _x(place)
            levels.append(level)
        return levels


def _alternating() -> list[int]:
    """Returns 0, 1, -1, 2, -2 and so on."""
    return [0, *(sign * distance for distance in range(1, 100) for sign in (1, -1))]
