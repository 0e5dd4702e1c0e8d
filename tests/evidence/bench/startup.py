"""From navigation to the first media on show, and what comes over the network until then."""

from collections.abc import Iterator
from functools import partial

from tests.browser.site_tab import Window
from tests.evidence.bench.benchmark import Bench, Row

MOST_BYTES = 350_000
# Notes when the first image is on show, and what the page had taken from the network by then, other images left out.
_NOTE = """
new MutationObserver(() => {
  if (window.firstMs || !document.querySelector("img[data-state=shown]")) return;
  window.firstMs = performance.now();
  const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const ofThePage = entries.filter(({ name, initiatorType }) => !name.startsWith("blob:") && initiatorType !== "img");
  const before = ofThePage.filter(({ responseEnd }) => responseEnd <= window.firstMs);
  window.firstBytes = before.reduce((sum, { transferSize }) => sum + transferSize, 0);
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-state"] });
"""
STRATEGIES = ("link", "blob", "bundle", "auto")


def starting(bench: Bench) -> Iterator[Row]:
    """A room's page against a bare page of PyScript and MicroPython that does one fetch."""
    for warm in (False, True):
        how = "warm" if warm else "cold"
        for strategy in STRATEGIES:
            seen: list[float] = []
            yield bench.row(
                f"navigation to the first media of `{strategy}.html`, {how}",
                "a bare page that does one fetch",
                1.25,
                partial(_first, bench, strategy, warm, seen),
                partial(_first, bench, "bare", warm, []),
            )
            if not warm:
                row = Row(f"bytes of `{strategy}.html` before its first media", "350 kB", 1.0, "bytes", bench.engine)
                row.pairs = [(size, MOST_BYTES) for size in seen]
                yield row


def _first(bench: Bench, page: str, warm: bool, seen: list[float]) -> float:
    window = bench.stage.window(bench.context, bench.stage.address())
    try:
        window.page.add_init_script(_NOTE)
        for _ in range(2 if warm else 1):
            _visit(window, page)
        seen.append(float(window.page.evaluate("window.firstBytes")))
        return float(window.page.evaluate("window.firstMs"))
    finally:
        window.close()


def _visit(window: Window, page: str) -> None:
    """Opens a page, and waits until it has nothing more to do that the next one would wait for."""
    window.page.goto(f"{window.origin}/{page}.html")
    window.page.wait_for_function("window.firstMs")
    window.page.wait_for_function("!['booting', 'running'].includes(document.documentElement.dataset.state)")
