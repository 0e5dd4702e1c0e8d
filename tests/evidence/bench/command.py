"""What ``python3 build.py compare --bench`` does: measures speed, as ratios, and writes ``bench.json``."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from tests.browser.engines import CHROMIUM, FIREFOX, opened, set_up_browsers
from tests.evidence.bench import benchmark, large_video, report, scaling, server_cost, startup
from tests.evidence.bench.benchmark import Bench, Row, as_json
from tests.evidence.bench.environment import staged
from tests.evidence.compare.runner import about
from tests.evidence.readme import write_figures

MEDIA = 5000
FIGURES = "bench.json"
ENGINES = {mode.name: mode for mode in (CHROMIUM, FIREFOX)}
GROUPS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "starting": startup.starting,
    "overhead": benchmark.overhead,
    "worker": benchmark.worker,
    "limit": benchmark.limit,
    "film": large_video.film,
    "heap": large_video.heap,
    "reload": scaling.reload,
    "growth": scaling.growth,
    "server": server_cost.server,
}


def run(state: Path, out: Path, *, runs: int, modes: list[str], groups: list[str]) -> int:
    """Measures all groups of rows, or those that are named, in all engines, or in those; gives the exit status.

    :param out: where ``bench.json`` goes, written again after each row.
    :param runs: how many pairs of measurements each row gets.
    """
    console = Console()
    unknown = sorted((set(modes) - set(ENGINES)) | (set(groups) - set(GROUPS)))
    if unknown:
        console.print(f"authmedia: there is no {unknown[0]} here; there are: {', '.join([*ENGINES, *GROUPS])}")
        return 1
    set_up_browsers()
    out.mkdir(parents=True, exist_ok=True)
    found: list[Row] = []
    with console.status("Starting") as status, sync_playwright() as playwright:
        tell = status.update if console.is_terminal else partial(console.print, highlight=False)
        with staged(state, MEDIA, tell) as stage:
            tell("what requests cost the homeserver")
            said = {**about(None, runs), "costs": server_cost.costs(stage)}
            for engine in modes or list(ENGINES):
                believed = stage.proxy.spki if stage.proxy else ""
                with opened(ENGINES[engine], playwright, believed=believed) as context:
                    bench = Bench(stage, context, engine, tell, runs=runs)
                    for group in groups or GROUPS:
                        for row in GROUPS[group](bench):
                            found.append(row)
                            write_figures(out / FIGURES, {"about": said, "rows": [as_json(row) for row in found]})
    console.print(_shown(found))
    console.print(f"The figures are in {out / FIGURES}", highlight=False)
    return 0


def _shown(found: list[Row]) -> Table:
    table = Table("engine", "what", "against", "ratio", "goal", "")
    for row in found:
        goal = "-" if row.goal is None else f"{row.goal:g}"
        ratio = f"{row.median:.2f}" if row.pairs else row.note
        table.add_row(row.engine, row.what, row.against, ratio, goal, report.verdict(as_json(row)))
    return table
