"""Rows about scrolling: the longest task of the main thread, and frames that come late."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.browser.site_tab import SiteTab
from tests.browser.tracing import longest_task_ms
from tests.evidence.bench import goals
from tests.evidence.bench.benchmark import Benchmark, Row
from tests.relay import free_port
from web.demonstration import Demonstration

LATE_FRAME_MS = 32
STRATEGIES = ("link", "blob")
_STEP_PX = 200
_WINDOW = {"width": 600, "height": 900}
# Scrolls through the whole timeline, a step a frame, as a quick hand does; resolves to the frames and those of them
# that came late.
_SCROLL = """async ([step, lateMs]) => {
  const frame = () => new Promise(requestAnimationFrame);
  const box = document.scrollingElement;
  let frames = 0, late = 0, before = await frame();
  while (box.scrollTop + innerHeight < box.scrollHeight - 2) {
    box.scrollTop += step;
    const now = await frame();
    frames += 1;
    late += now - before > lateMs;
    before = now;
  }
  return { frames, late };
}"""


def scrolling(benchmark: Benchmark) -> Iterator[Row]:
    """Scrolls through `timeline.html`, in which 2,000 messages show 500 pictures."""
    with _demonstration(benchmark) as demonstration:
        for strategy in STRATEGIES:
            what = f"scrolling 2,000 messages with 500 pictures by `{strategy}`"
            late = Row(
                f"{what}: frames of more than {LATE_FRAME_MS} ms",
                f"{goals.LATE_FRAMES_PERCENT} of 100 frames",
                1.0,
                "%",
                benchmark.engine,
            )
            longest = Row(f"{what}: the longest task", f"{goals.LONGEST_TASK_MS} ms", 1.0, "ms", benchmark.engine)
            for _ in range(benchmark.runs):
                share, task_ms = _scroll(benchmark, demonstration, strategy)
                late.pairs.append((share, goals.LATE_FRAMES_PERCENT))
                if benchmark.engine == "chromium":  # no other engine can be traced
                    longest.pairs.append((task_ms, goals.LONGEST_TASK_MS))
            yield late
            if longest.pairs:
                yield longest


def _scroll(benchmark: Benchmark, demonstration: Demonstration, strategy: str) -> tuple[float, float]:
    """Returns the percentage of late frames, and the longest task's milliseconds of processor time."""
    assert demonstration.site
    tab = SiteTab(benchmark.context, demonstration.site.url)
    found: list[dict[str, int]] = []
    try:
        tab.page.set_viewport_size(_WINDOW)  # type: ignore[arg-type]
        tab.open("timeline", strategy=strategy)
        assert tab.state == "done", tab.page.locator("#problem").inner_text()

        def scroll() -> None:
            found.append(tab.page.evaluate(_SCROLL, [_STEP_PX, LATE_FRAME_MS]))

        task_ms = 0.0
        if benchmark.engine == "chromium":
            task_ms = longest_task_ms(tab.page, scroll)
        else:
            scroll()
        assert found[0]["frames"] > 100
        return 100 * found[0]["late"] / found[0]["frames"], task_ms
    finally:
        tab.close()


@contextmanager
def _demonstration(benchmark: Benchmark) -> Iterator[Demonstration]:
    """Starts the demonstration with its long room, whose messages are sent at the first time."""
    demonstration = Demonstration(benchmark.environment.folder / "demonstration", 0, free_port())
    try:
        demonstration.start(lambda words, done, total: None)
        demonstration.fill_archive()
        yield demonstration
    finally:
        demonstration.stop()
