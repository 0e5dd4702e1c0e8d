"""Computes the layout of the comparison's charts: x in per cent of the chart's width, y in pixels."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Width of the longest bar in per cent; the rest holds the label behind it, or the axis' last number.
WIDEST_BAR = 72.0
WIDEST_LINE = 94.0
# Round steps between one power of ten and the next.
_STEPS = (1, 2, 2.5, 5, 10)
_MOST_TICKS = 5


def ticks(longest_ms: float) -> "list[float]":
    """Returns the tick values of an axis in milliseconds, from 0 to the first round number at or above the longest."""
    step = 1.0
    while step * 10 * _MOST_TICKS < longest_ms:
        step *= 10
    for easy in _STEPS:
        if step * easy * _MOST_TICKS >= longest_ms:
            step *= easy
            break
    count = 1
    while step * count < longest_ms:
        count += 1
    return [step * number for number in range(count + 1)]


class Scale:
    """A linear axis from 0 to its last tick.

    :param longest_ms: the longest time that must fit.
    :param widest: the axis' share of the chart's width, in per cent.
    """

    __slots__ = ("ticks", "widest")

    def __init__(self, longest_ms: float, widest: float) -> None:
        self.ticks = ticks(longest_ms)
        self.widest = widest

    def at(self, milliseconds: float) -> float:
        """Returns the x position of a time, in per cent of the chart's width."""
        return self.widest * milliseconds / self.ticks[-1]


class Line:
    """One media in a waterfall: when it was requested and how long it took, in milliseconds."""

    __slots__ = ("duration_ms", "kind", "name", "start_ms", "state")

    def __init__(self, media: "dict[str, Any]") -> None:
        self.name = str(media["name"])
        self.kind = str(media["kind"])
        self.state = str(media["state"])
        self.start_ms = float(media["start"])
        self.duration_ms = float(media["milliseconds"])

    @property
    def end_ms(self) -> float:
        """When it was shown or failed, in milliseconds."""
        return self.start_ms + self.duration_ms


def waterfall(media: "list[dict[str, Any]]") -> "list[Line]":
    """Returns the lines of a waterfall, sorted by when media were shown or failed."""
    return sorted([Line(each) for each in media], key=lambda line: line.end_ms)


def longest_visit_ms(outcomes: "dict[str, dict[str, Any]]") -> float:
    """Returns the longest time to the last media of any visit in milliseconds; 0 if there was none."""
    visits = [found[visit] for found in outcomes.values() for visit in ("first", "reload")]
    return max([0.0] + [float(visit["last_ms"]) for visit in visits if visit and visit["last_ms"] is not None])


def longest_line_ms(outcomes: "dict[str, dict[str, Any]]") -> float:
    """Returns the end of the last line of any waterfall in milliseconds; 0 if there is none."""
    return max([0.0] + [line.end_ms for found in outcomes.values() for line in waterfall(found["media"])])
