"""Rows about scrolling: the longest task of the main thread, and frames that come late."""

from collections.abc import Iterator

from playwright.sync_api import BrowserContext, ViewportSize

from tests.browser.site_tab import SiteTab
from tests.browser.tracing import longest_task_ms
from tests.evidence.bench import goals
from tests.evidence.bench.benchmark import Benchmark, Row
from tests.relay import free_port
from web.demonstration import Demonstration

LATE_FRAME_MS = 32
STRATEGIES = ("link", "blob")
_STEP_PX = 200
_WINDOW: ViewportSize = {"width": 600, "height": 900}
# Fewer say nothing about a share.
_MANY_FRAMES = 100
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
    demonstration = Demonstration(benchmark.environment.folder / "demonstration", 0, free_port())
    with demonstration.running() as site:
        demonstration.fill_archive()  # its messages are sent at the first time
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
                share, task_ms = scroll(benchmark.context, site, strategy, traced=benchmark.engine == "chromium")
                late.pairs.append((share, goals.LATE_FRAMES_PERCENT))
                if task_ms:
                    longest.pairs.append((task_ms, goals.LONGEST_TASK_MS))
            yield late
            if longest.pairs:
                yield longest


def scroll(context: BrowserContext, site: str, strategy: str, *, traced: bool) -> tuple[float, float]:
    """Scrolls through the timeline in a new tab.

    :param traced: whether the engine can trace tasks, as Chromium alone can.
    :returns: the percentage of late frames, and the longest task's milliseconds of processor time; 0 if not traced.
    """
    tab = SiteTab(context, site)
    found: list[dict[str, int]] = []

    def through() -> None:
        found.append(tab.page.evaluate(_SCROLL, [_STEP_PX, LATE_FRAME_MS]))

    try:
        tab.page.set_viewport_size(_WINDOW)
        tab.open("timeline", strategy=strategy)
        assert tab.state == "done", tab.page.locator("#problem").inner_text()
        task_ms = 0.0
        if traced:
            task_ms = longest_task_ms(tab.page, through)
        else:
            through()
    finally:
        tab.close()
    assert found[0]["frames"] > _MANY_FRAMES
    return 100 * found[0]["late"] / found[0]["frames"], task_ms
