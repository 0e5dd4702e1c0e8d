"""What ``python3 build.py compare`` does: runs the comparison, writes ``results.json`` and a page."""

import random
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console

from tests.compare import browsers, report
from tests.compare.runner import compare, grounds
from tests.relay import free_port


def run(state: Path, out: Path, *, runs: int, modes: list[str], seed: int | None) -> int:
    """Compares in all browsers and modes found, or in those named; gives the exit status.

    :param runs: how often each quantity is measured.
    :param seed: of the order in which strategies take their turns; drawn where none is given.
    """
    console = Console()
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
        place = stack.enter_context(grounds(state, free_port(), tell))
        drawn = random.randrange(10**6) if seed is None else seed
        results = compare(place, chosen, runs=runs, seed=drawn, progress=tell)
    results.about["missing"] = missing
    out.mkdir(parents=True, exist_ok=True)
    results.write(out / "results.json")
    (out / "index.html").write_text(report.page(results), encoding="utf-8")
    for sentence in report.answer(results):
        console.print(sentence, highlight=False)
    console.print(f"The report is in {out / 'index.html'}, the figures in {out / 'results.json'}", highlight=False)
    return 0
