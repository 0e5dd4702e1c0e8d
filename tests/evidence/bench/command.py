"""The command ``python3 build.py compare --bench``: measures ratios of speed and writes ``bench.json``."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table

from tests.browser.engines import CHROMIUM, FIREFOX, launch_browser, set_up_browsers
from tests.evidence.bench import large_video, report, scaling, scrolling, server_cost, startup
from tests.evidence.bench.benchmark import Benchmark, Row, as_json, limit, overhead, single, worker
from tests.evidence.bench.crossings import crossings
from tests.evidence.bench.environment import benchmark_environment
from tests.evidence.documents import write_figures
from tests.evidence.run_conditions import OtherLoad, about, adopt_orphans, note_load

MEDIA = 5000
FIGURES = "bench.json"
ENGINES = {mode.name: mode for mode in (CHROMIUM, FIREFOX)}
GROUPS: dict[str, Callable[[Benchmark], Iterator[Row]]] = {
    "starting": startup.starting,
    "overhead": overhead,
    "worker": worker,
    "crossings": crossings,
    "single": single,
    "limit": limit,
    "film": large_video.film,
    "heap": large_video.heap,
    "scrolling": scrolling.scrolling,
    "reload": scaling.reload,
    "growth": scaling.growth,
    "server": server_cost.server,
}


def run(state: Path, out: Path, *, runs: int, modes: list[str], groups: list[str]) -> int:
    """Measures groups of rows in engines; returns the exit status.

    :param out: the folder for ``bench.json``, which is rewritten after each row.
    :param runs: number of pairs of measurements per row.
    :param modes: names of engines; all if empty.
    :param groups: names of groups; all if empty.
    """
    console = Console()
    unknown = sorted((set(modes) - set(ENGINES)) | (set(groups) - set(GROUPS)))
    if unknown:
        console.print(f"authmedia: there is no {unknown[0]} here; there are: {', '.join([*ENGINES, *GROUPS])}")
        return 1
    adopt_orphans()
    set_up_browsers()
    out.mkdir(parents=True, exist_ok=True)
    found: list[tuple[str, Row]] = []
    with console.status("Starting") as status, sync_playwright() as playwright:
        tell = status.update if console.is_terminal else partial(console.print, highlight=False)
        with benchmark_environment(state, MEDIA, tell) as environment:
            tell("what requests cost the homeserver")
            said = {**about(None, runs), "costs": server_cost.costs(environment)}
            when = {"date": said["date"], "commit": said["commit"]}
            for engine in modes or list(ENGINES):
                trusted_spki = environment.proxy.spki if environment.proxy else ""
                with launch_browser(ENGINES[engine], playwright, trusted_spki=trusted_spki) as context:
                    benchmark = Benchmark(environment, context, engine, tell, runs=runs)
                    for group in groups or GROUPS:
                        load = OtherLoad()
                        for row in GROUPS[group](benchmark):
                            found.append((group, row))
                            note_load(said, load.share())
                            rows = [{"group": of, **as_json(done), **when} for of, done in found]
                            write_figures(out / FIGURES, {"about": said, "rows": rows})
    console.print(_shown([row for _, row in found]))
    console.print(f"The figures are in {out / FIGURES}", highlight=False)
    return 0


def _shown(found: list[Row]) -> Table:
    table = Table("engine", "what", "against", "ratio", "goal", "")
    for row in found:
        goal = "-" if row.goal is None else f"{row.goal:g}"
        ratio = f"{row.median:.2f}" if row.pairs else row.note
        table.add_row(row.engine, row.what, row.against, ratio, goal, report.verdict(as_json(row)))
    return table
