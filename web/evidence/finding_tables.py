"""The tables of ``docs/findings.md`` that are taken from the published results, each cell with its address."""

import re
from collections.abc import Callable, Iterable

from tests.evidence.compare.results import NOT_RUN, Results
from web.evidence.matrix import Matrix, MatrixCell
from web.evidence.worlds import World

#: The part of the documentation that each table is in.
COOKIES, FRAMES = "cookies-by-window", "frames-by-strategy"
# What a window lets a page of another site have back: the comparison's probe sets a cookie of each kind.
_COOKIES = {"": "none", "own=1": "partitioned ones", "whole=1; own=1": "all"}
# A run's own port, another one each time.
_PORT = re.compile(r"(?<=//localhost):\d+")
_NONE = "No stored run has it yet.\n"


def tables(results: Results) -> dict[str, str]:
    """Returns all tables, by their part of the documentation."""
    matrix = Matrix(results)
    cookies = _cells(matrix, ["cookie"], lambda world: True)
    worlds = results.about.get("worlds", {})

    def window(cell: MatrixCell) -> tuple[str, str]:
        seen = worlds.get(cell.world.mode, {}).get("cookies")
        return cell.world.title, _COOKIES.get(seen, "not looked at")

    frames = _cells(matrix, matrix.strategies, lambda world: world.mode.endswith("-iframe"))
    return {
        COOKIES: _table(cookies, ("Window", "Cookies of other sites"), window),
        FRAMES: _table(frames, ("Strategy", "Frame in"), lambda cell: (f"`{cell.strategy}`", cell.world.browser)),
    }


def _cells(matrix: Matrix, strategies: Iterable[str], has: Callable[[World], bool]) -> list[MatrixCell]:
    rows = (matrix.of_strategy(strategy) for strategy in strategies)
    return [cell for row in rows for cell in row if cell.kind != NOT_RUN and has(cell.world)]


def _table(cells: list[MatrixCell], headings: tuple[str, str], names: Callable[[MatrixCell], tuple[str, str]]) -> str:
    if not cells:
        return _NONE
    lines = [f"| {' | '.join((*headings, 'Verdict', 'Run of', 'Cell'))} |", "|---|---|---|---|---|"]
    for cell in cells:
        verdict = f"{cell.outcome}: {_escaped(cell.words)}" if cell.words else cell.outcome
        lines.append(f"| {' | '.join((*names(cell), verdict, cell.date, f'`#{cell.anchor}`'))} |")
    return "\n".join(lines) + "\n"


def _escaped(words: str) -> str:
    """Returns a browser's words as text in a cell of a table."""
    return _PORT.sub("", words).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
