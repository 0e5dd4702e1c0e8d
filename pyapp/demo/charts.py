"""Renders the comparison's charts as SVG elements into containers of the page's template.

Each figure of a chart is in the page's table as well, for readers of assistive technology.
"""

from authmedia.browser import Element, clone_template, create_svg_element
from demo.comparison import cost, format_ms
from demo.geometry import WIDEST_BAR, WIDEST_LINE, Line, Scale, longest_line_ms, longest_visit_ms, waterfall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Outcomes = dict[str, dict[str, Any]]

_AXIS_PIXELS = 24
_GROUP_PIXELS = 62
_LABEL_BASELINE = 16
_BARS = (("first", 23), ("reload", 41))
_BAR_PIXELS = 14
_LINE_PIXELS, _LINE_STEP = 4, 6


def draw_bars(outcomes: "Outcomes", picture: Element) -> None:
    """Renders two bars per strategy: the duration of the first visit and of the reload.

    :param picture: the ``<svg>``.
    """
    scale = Scale(longest_visit_ms(outcomes), WIDEST_BAR)
    drawn = [(name, found) for name, found in outcomes.items() if found["first"]]
    height = len(drawn) * _GROUP_PIXELS
    _prepare(picture, scale, height, "Milliseconds until all media were on show, first visit and after a reload")
    picture.query("desc").text = " ".join([cost(name, found) for name, found in drawn])
    rows = picture.query(".rows")
    for number, (name, found) in enumerate(drawn):
        top = number * _GROUP_PIXELS
        rows.append(_text(name, 0, top + _LABEL_BASELINE, class_="name"))
        for visit, offset in _BARS:
            if found[visit] and found[visit]["last_ms"] is not None:
                rows.append(*_bar(found[visit], visit, scale, top + offset))


def draw_waterfalls(outcomes: "Outcomes", into: Element) -> None:
    """Renders a waterfall per strategy with one bar per media, all on the same axis."""
    into.remove_children()
    scale = Scale(longest_line_ms(outcomes), WIDEST_LINE)
    for name, found in outcomes.items():
        if found["media"]:
            into.append(_waterfall(name, found, scale))


def _waterfall(name: str, found: "dict[str, Any]", scale: Scale) -> Element:
    figure = clone_template("waterfall")
    lines = waterfall(found["media"])
    figure.query(".name").text = name
    figure.query(".length").text = f"{len(lines)} media in {format_ms(lines[-1].end_ms)}"
    picture = figure.query("svg")
    _prepare(picture, scale, len(lines) * _LINE_STEP, f"{name}: when each media was on show")
    picture.query("desc").text = cost(name, found)
    rows = picture.query(".rows")
    for number, line in enumerate(lines):
        rows.append(_line(line, scale, number * _LINE_STEP))
    return figure


def _prepare(picture: Element, scale: Scale, height: int, title: str) -> None:
    """Clears a chart and renders its axis below the area of the bars."""
    picture.set_attribute("height", str(height + _AXIS_PIXELS))
    picture.query("title").text = title
    picture.query(".rows").remove_children()
    axis = picture.query(".axis")
    axis.remove_children()
    for number, tick in enumerate(scale.ticks):
        x = _percent(scale.at(tick))
        axis.append(create_svg_element("line", x1=x, x2=x, y1="0", y2=str(height + 4)))
        words = f"{tick:g}" if number else "0 ms"
        axis.append(_text(words, scale.at(tick), height + 18, text_anchor="middle" if number else "start"))


def _bar(visit: "dict[str, Any]", kind: str, scale: Scale, top: int) -> "list[Element]":
    first, last = scale.at(visit["first_ms"]), scale.at(visit["last_ms"])
    bar = create_svg_element(
        "rect", class_="visit " + kind, x="0", y=str(top), width=_percent(last), height=str(_BAR_PIXELS)
    )
    mark = create_svg_element("line", class_="mark", x1=_percent(first), x2=_percent(first))
    mark.set_attribute("y1", str(top - 2))
    mark.set_attribute("y2", str(top + _BAR_PIXELS + 2))
    words = _text(format_ms(visit["last_ms"]), last, top + _BAR_PIXELS - 3, class_="figure", dx="6")
    return [bar, mark, words]


def _line(line: Line, scale: Scale, top: int) -> Element:
    rectangle = create_svg_element(
        "rect", class_=f"media-line kind-{line.kind} {line.state}", y=str(top), height=str(_LINE_PIXELS)
    )
    rectangle.set_attribute("x", _percent(scale.at(line.start_ms)))
    rectangle.set_attribute("width", _percent(scale.at(line.duration_ms)))
    hint = create_svg_element("title")
    hint.text = f"{line.name}: asked for at {format_ms(line.start_ms)}, {line.state} at {format_ms(line.end_ms)}"
    rectangle.append(hint)
    return rectangle


def _text(words: str, x: float, y: int, **attributes: str) -> Element:
    text = create_svg_element("text", x=_percent(x), y=str(y), **attributes)
    text.text = words
    return text


def _percent(share: float) -> str:
    return f"{share:.2f}%"
