"""The command ``python3 build.py compare``: runs the comparison, writes ``results.json`` and a report page."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console

from tests.browser.engines import set_up_browsers
from tests.evidence.compare import browsers, report
from tests.evidence.compare.results import Results
from tests.evidence.compare.runner import compare, comparison_sites, new_results
from tests.evidence.run_conditions import adopt_orphans, commit
from tests.relay import free_port

FIGURES = "results.json"


def run(state: Path, out: Path, *, runs: int, modes: list[str], seed: int | None, resume: bool, quick: bool) -> int:
    """Compares the strategies in browsers and modes; returns the exit status.

    :param out: the folder for ``results.json`` and the report, which are rewritten after each browser and place.
    :param runs: number of measurements of each quantity.
    :param modes: names of modes; all if empty.
    :param seed: seed of the order of strategies; random if None.
    :param resume: whether to continue the run in ``results.json``, with its number of runs and its seed.
    :param quick: whether to run each cell of the matrix once.
    """
    console = Console()
    adopt_orphans()
    set_up_browsers()
    with ExitStack() as stack:
        status = stack.enter_context(console.status("Starting"))
        tell = status.update if console.is_terminal else partial(console.print, highlight=False)
        playwright = stack.enter_context(sync_playwright())
        found, missing = browsers.find(playwright, stack)
        unknown = set(modes) - {browser.mode for browser in found}
        if unknown:
            known = ", ".join(browser.mode for browser in found)
            console.print(f"authmedia: there is no mode {', '.join(sorted(unknown))} here; there are: {known}")
            return 1
        chosen = [browser for browser in found if not modes or browser.mode in modes]
        sites = stack.enter_context(comparison_sites(state, free_port(), tell))
        out.mkdir(parents=True, exist_ok=True)
        results = _begun(out) if resume and (out / FIGURES).exists() else new_results(seed, runs, quick=quick)
        results.about["missing"] = missing
        for _ in compare(sites, chosen, results, progress=tell):
            _write(out, results)
        _write(out, results)  # a browser that does not start adds to `about` alone
    for name, why in results.about["missing"].items():
        console.print(f"{name} was not run: {why}", highlight=False)
    for sentence in report.summary_sentences(results):
        console.print(sentence, highlight=False)
    console.print(f"The report is in {out / 'index.html'}, the figures in {out / FIGURES}", highlight=False)
    return 0


def _begun(out: Path) -> Results:
    """Returns the results of an interrupted run; its ``commit`` names this one as well, if it is another one."""
    results = Results.read(out / FIGURES)
    before = str(results.about.get("commit", ""))
    if commit() not in before.split(", "):
        results.about["commit"] = ", ".join(filter(None, (before, commit())))
    return results


def _write(out: Path, results: Results) -> None:
    results.write(out / FIGURES)
    (out / "index.html").write_text(report.page(results), encoding="utf-8")
