"""Rows about start-up: time and bytes from navigation to the first media shown."""

from collections.abc import Iterator
from functools import partial

from tests.browser.site_tab import SiteTab
from tests.evidence.bench import goals
from tests.evidence.bench.benchmark import ROUND_TRIP_MS, Benchmark, Row

# Records when the first image is shown, and the bytes transferred by then, images excluded.
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
STRATEGIES = ("link", "delegated", "blob", "bundle", "auto")


def starting(benchmark: Benchmark) -> Iterator[Row]:
    """A room page against a minimal page of PyScript and MicroPython with one fetch."""
    for warm in (False, True):
        how = "warm" if warm else "cold"
        for strategy in STRATEGIES:
            seen: list[float] = []
            yield benchmark.row(
                f"navigation to the first media of `{strategy}.html`, {how}",
                "a bare page that does one fetch",
                goals.start(benchmark.engine, warm=warm),
                partial(_first, benchmark, strategy, warm, seen),
                partial(_first, benchmark, "bare", warm, []),
            )
            if not warm:
                what = f"bytes of `{strategy}.html` before its first media"
                row = Row(what, f"{goals.START_BYTES // 1000} kB", 1.0, "bytes", benchmark.engine)
                row.pairs = [(size, goals.START_BYTES) for size in seen]
                yield row
    # `link` keeps its links in the tab's storage; the key of `delegated` is requested again, before Python runs.
    yield benchmark.row(
        f"navigation to the first media of `delegated.html`, warm, {ROUND_TRIP_MS} ms round trip",
        "`link.html`",
        None,
        partial(_first, benchmark, "delegated", True, [], ROUND_TRIP_MS),
        partial(_first, benchmark, "link", True, [], ROUND_TRIP_MS),
    )


def _first(benchmark: Benchmark, page: str, warm: bool, seen: list[float], round_trip_ms: int = 0) -> float:
    address = benchmark.environment.address(round_trip_ms=round_trip_ms)
    tab = benchmark.environment.tab(benchmark.context, address)
    try:
        tab.page.add_init_script(_NOTE)
        for _ in range(2 if warm else 1):
            _visit(tab, page)
        seen.append(float(tab.page.evaluate("window.firstBytes")))
        return float(tab.page.evaluate("window.firstMs"))
    finally:
        tab.close()


def _visit(tab: SiteTab, page: str) -> None:
    """Opens a page and waits until it is idle, so that it does not slow the next visit."""
    tab.page.goto(f"{tab.origin}/{page}.html")
    tab.page.wait_for_function("window.firstMs")
    tab.page.wait_for_function("!['booting', 'running'].includes(document.documentElement.dataset.state)")
