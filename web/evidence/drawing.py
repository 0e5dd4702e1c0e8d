"""Draws charts as inline SVG without text in a scaled coordinate system, so that it is legible at any width."""

from markupsafe import Markup

from web.evidence.costs import Bar, Chart

_ROW, _TEXT, _BAR_TOP, _BAR = 42, 15, 21, 12
_CLASSES = ("first", "second")


def draw(chart: Chart) -> Markup:
    """Returns a chart as an SVG element; its text alternative is the table that follows it."""
    most = max((bar.total for bar in chart.bars), default=0) or 1
    rows = [_row(bar, number * _ROW, most) for number, bar in enumerate(chart.bars)]
    return Markup(
        '<svg class="bars" width="100%" height="{height}" role="img" aria-labelledby="{anchor}-title" '
        'aria-describedby="{anchor}-table">{rows}</svg>'
    ).format(height=len(chart.bars) * _ROW, anchor=chart.anchor, rows=Markup("").join(rows))


def _row(bar: Bar, top: int, most: float) -> Markup:
    parts = [
        Markup('<text x="0" y="{y}">{label}</text><text class="value" x="100%" y="{y}">{text}</text>').format(
            y=top + _TEXT, label=bar.label, text=bar.text
        )
    ]
    start = 0.0
    for value, name in zip(bar.values, _CLASSES, strict=False):
        width = 100 * value / most
        if width:
            parts.append(
                Markup('<rect class="{name}" x="{x:.2f}%" y="{y}" width="{width:.2f}%" height="{height}"/>').format(
                    name=name, x=start, y=top + _BAR_TOP, width=max(width, 0.3), height=_BAR
                )
            )
        start += width
    return Markup("").join(parts)
