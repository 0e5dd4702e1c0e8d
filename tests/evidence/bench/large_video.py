"""Rows about a video of 100 MB: time to the first frame and to a seek, bytes transferred, and growth of the heap."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.evidence.bench import goals
from tests.evidence.bench.benchmark import Benchmark, Row
from tests.evidence.bench.environment import BenchmarkEnvironment
from tests.evidence.bench.mp4_padding import pad_mp4

FILM = Path(__file__).resolve().parents[3] / "web" / "media" / "film.mp4"
FILM_BYTES = 100_000_000
BITS_PER_S = 20_000_000
# All but `blocking`, which holds bodies in Python by design.
STRATEGIES = ("link", "delegated", "blob", "bundle", "opfs", "auto", "service_worker", "cookie", "signed_query")
_SAMPLE_S = 0.1
# Shows a video and seeks to its middle; stores the milliseconds that both took.
_PLAY_AND_SEEK = """(mxc) => {
  const video = document.createElement("video");
  video.dataset.mxc = mxc;
  video.muted = true;
  video.preload = "auto";
  const once = (name) => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
  });
  window.watched = (async () => {
    const start = performance.now();
    const there = once("loadeddata");
    document.getElementById("bench").append(video);
    await there;
    const moved = once("seeked");
    video.currentTime = video.duration / 2;
    await moved;
    window.watchedMs = performance.now() - start;
  })();
  window.watched.catch(({ message }) => { window.wentWrong = message; });
}"""
_PYTHON_HEAP = """() => {
  document.getElementById("heap").click();
  return Number(document.documentElement.dataset.heap);
}"""


def film(benchmark: Benchmark) -> Iterator[Row]:
    """First frame and seek to the middle, by a link and by an object URL."""
    mxc = upload_padded_video(benchmark.environment)
    figures: dict[str, list[tuple[float, float]]] = {"link": [], "blob": []}

    def watch(strategy: str) -> float:
        network = benchmark.environment.network(0, BITS_PER_S, "http/1.1")
        address = benchmark.environment.address(bits_per_s=BITS_PER_S)
        tab = benchmark.environment.open(benchmark.context, "library", address, strategy=strategy)
        try:
            network.take_byte_count()
            tab.page.evaluate(_PLAY_AND_SEEK, mxc)
            tab.page.evaluate("() => window.watched")
            figures[strategy].append((float(tab.page.evaluate("window.watchedMs")), network.take_byte_count()))
        finally:
            tab.close()
        return figures[strategy][-1][0]

    megabytes = FILM_BYTES // 1_000_000
    what = f"first frame and then the middle of {megabytes} MB of film by `link`, 20 Mbit/s"
    row = benchmark.row(f"{what}: time", "`blob`", goals.FILM, lambda: watch("link"), lambda: watch("blob"))
    yield row
    taken = Row(f"{what}: bytes", "`blob`", goals.FILM, "bytes", benchmark.engine)
    taken.pairs = [(library[1], other[1]) for library, other in zip(figures["link"], figures["blob"], strict=True)]
    yield taken


def heap(benchmark: Benchmark) -> Iterator[Row]:
    """Growth of the heaps of Python and JavaScript while the video loads."""
    if benchmark.engine != "chromium":
        return  # only Chromium reports heap usage
    mxc = upload_padded_video(benchmark.environment)
    for strategy in STRATEGIES:
        row = Row(
            f"heap of Python and JavaScript while {FILM_BYTES // 1_000_000} MB of film load by `{strategy}`",
            f"{goals.HEAP_BYTES // 1_000_000} MB",
            goals.heap(strategy),
            "bytes",
            benchmark.engine,
        )
        for _ in range(benchmark.runs):
            row.pairs.append((_growth(benchmark, strategy, mxc), goals.HEAP_BYTES))
        yield row


def _growth(benchmark: Benchmark, strategy: str, mxc: str) -> float:
    tab = benchmark.environment.open(benchmark.context, "library", benchmark.environment.address(), strategy=strategy)
    session = benchmark.context.new_cdp_session(tab.page)
    try:
        session.send("HeapProfiler.collectGarbage")
        before = _heap(tab.page, session)
        highest = before
        tab.page.evaluate(_PLAY_AND_SEEK, mxc)
        while not tab.page.evaluate("window.watchedMs ?? 0"):
            highest = max(highest, _heap(tab.page, session))
            wrong = tab.page.evaluate("window.wentWrong")
            assert not wrong, f"{strategy}: {wrong}"
            time.sleep(_SAMPLE_S)
        return highest - before
    finally:
        tab.close()


def _heap(page: Any, session: Any) -> float:
    usage = session.send("Runtime.getHeapUsage")
    javascript = usage["usedSize"] + usage.get("backingStorageSize", 0)
    return float(javascript + page.evaluate(_PYTHON_HEAP))


def upload_padded_video(environment: BenchmarkEnvironment) -> str:
    """Returns the padded video's ``mxc://`` URI, and uploads it on first use."""
    kept = environment.synapse.directory / "film.mxc"
    if not kept.exists():
        headers = {"Authorization": f"Bearer {environment.session['token']}", "Content-Type": "video/mp4"}
        content = pad_mp4(FILM.read_bytes(), FILM_BYTES)
        url = f"{environment.synapse.base_url}/_matrix/media/v3/upload"
        answer = httpx.post(url, content=content, headers=headers, timeout=120)
        kept.write_text(str(answer.raise_for_status().json()["content_uri"]), encoding="ascii")
    return kept.read_text(encoding="ascii")
