"""Counts the calls from MicroPython into JavaScript: a measure of the library's own work that has no noise.

Every call leaves WebAssembly by a function that the interpreter imports. `invoke_*`, by which Emscripten catches
exceptions, and the system's interface (WASI) are no such calls.
"""

from collections import Counter
from collections.abc import Iterator

from tests.browser.site_tab import SiteTab
from tests.evidence.bench import goals
from tests.evidence.bench.benchmark import Benchmark, Row
from tests.evidence.bench.environment import AVATAR, LOAD

# Wraps the imports of every WebAssembly module before it is instantiated.
_COUNT = """
window.crossings = {};
const wrapped = (imports) => Object.fromEntries(Object.entries(imports).map(([space, members]) => [space,
  Object.fromEntries(Object.entries(members).map(([name, member]) => {
    if (typeof member !== "function" || name.startsWith("invoke_") || space.startsWith("wasi")) return [name, member];
    return [name, (...values) => {
      window.crossings[name] = (window.crossings[name] ?? 0) + 1;
      return member(...values);
    }];
  }))]));
for (const name of ["instantiate", "instantiateStreaming"]) {
  const original = WebAssembly[name];
  WebAssembly[name] = (source, imports) => original.call(WebAssembly, source, wrapped(imports));
}
new MutationObserver(() => {
  if (!window.firstCrossings && document.querySelector("img[data-state=shown]"))
    window.firstCrossings = { ...window.crossings };
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-state"] });
"""
_SHOWN = '() => document.querySelectorAll("#bench [data-state=shown]").length'


def crossings(benchmark: Benchmark) -> Iterator[Row]:
    """Rows of calls and tasks, an element by each strategy, and of calls of `link.html` until its first media."""
    if benchmark.engine != "chromium":  # the same in all engines
        return
    for strategy, goal in goals.CALLS.items():
        row = Row(f"calls into JavaScript an element, `{strategy}`", f"{goal}", 1.0, "calls", benchmark.engine)
        row.pairs = [(sum(calls_of_elements(benchmark, strategy).values()) / benchmark.count, goal)]
        yield row
        tasks, steps = tasks_of_elements(benchmark, strategy)
        row = Row(f"tasks an element of its own, `{strategy}`", f"{goals.TASKS}", 1.0, "tasks", benchmark.engine)
        row.pairs = [(tasks // benchmark.count, goals.TASKS)]
        row.note = f"{tasks % benchmark.count} tasks that all share; {steps / benchmark.count:.1f} steps an element"
        yield row
    what, limit = "calls into JavaScript of `link.html` until its first media", goals.CALLS_UNTIL_FIRST_MEDIA
    row = Row(what, f"{limit:,}", 1.0, "calls", benchmark.engine)
    row.pairs = [(sum(calls_until_first_media(benchmark, "link").values()), limit)]
    yield row


def calls_of_elements(benchmark: Benchmark, strategy: str) -> Counter[str]:
    """Returns the calls, by imported function, while a page that is there loads its elements."""
    environment = benchmark.environment
    tab = environment.tab(benchmark.context, environment.address())
    try:
        tab.page.add_init_script(_COUNT)
        tab.open("library", homeserver=environment.address(), strategy=strategy)
        assert tab.state == "done", tab.page.locator("#problem").inner_text()
        before = _calls(tab)
        _load(tab, benchmark)
        return _calls(tab) - before
    finally:
        tab.close()


def tasks_of_elements(benchmark: Benchmark, strategy: str) -> tuple[int, int]:
    """Returns how many tasks a page that is there creates for its elements, and how often one is resumed."""
    environment = benchmark.environment
    tab = environment.open(benchmark.context, "library", environment.address(), strategy=strategy, tasks="1")
    try:
        _load(tab, benchmark)
        tab.page.click("#tasks")
        tasks, steps = (int(tab.page.get_attribute("html", f"data-{name}") or 0) for name in ("tasks", "steps"))
        return tasks, steps
    finally:
        tab.close()


def calls_until_first_media(benchmark: Benchmark, page: str) -> Counter[str]:
    """Returns the calls, by imported function, from a page's navigation to its first media."""
    tab = benchmark.environment.tab(benchmark.context, benchmark.environment.address())
    try:
        tab.page.add_init_script(_COUNT)
        tab.open(page)
        return _calls(tab, "firstCrossings")
    finally:
        tab.close()


def _load(tab: SiteTab, benchmark: Benchmark) -> None:
    tab.page.evaluate(LOAD, [benchmark.environment.media[: benchmark.count], AVATAR])
    tab.page.wait_for_function(f"(count) => ({_SHOWN})() === count", arg=benchmark.count)


def _calls(tab: SiteTab, name: str = "crossings") -> Counter[str]:
    return Counter(tab.page.evaluate(f"() => ({{ ...window.{name} }})"))
