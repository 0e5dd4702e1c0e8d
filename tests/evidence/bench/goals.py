"""Goals of the benchmark's rows: upper limits of ratios and of figures, by strategy, interpreter and engine."""

#: 200 thumbnails without a distance, against plain JavaScript of the same strategy.
_OVERHEAD = {
    ("chromium", "micropython"): {"link": 1.05, "blob": 1.1, "bundle": 1.15, "opfs": 1.25},
    ("chromium", "pyodide"): {"link": 1.1, "blob": 1.2, "bundle": 1.2, "opfs": 1.4},
    ("firefox", "micropython"): {"link": 1.1, "blob": 1.15, "bundle": 1.3, "opfs": 1.3},
    ("firefox", "pyodide"): {"link": 1.15, "blob": 1.2, "bundle": 1.5, "opfs": 1.3},
}
_AT_A_DISTANCE = 1.05
_WARM_START = {"chromium": 1.35, "firefox": 1.2}
_COLD_START = 1.1
#: 200 thumbnails at a distance, against a service worker, by protocol.
WORKER = {
    "http/1.1": {"link": 0.55, "delegated": 0.53, "bundle": 0.15},
    "h2": {"link": 0.9, "delegated": 0.6, "bundle": 0.3},
}
#: A single new picture by `delegated`, against `link` and against a service worker.
SINGLE = 0.55
#: Microseconds to sign a link.
SIGNING_US = 60.0
#: Bytes of a page before its first media.
START_BYTES = 350_000
#: Time and bytes of the first frame and the middle of a large video by `link`, against `blob`.
FILM = 0.05
#: Bytes by which a heap grows while a large video loads: `heap` is in such parts.
HEAP_BYTES = 2_000_000
#: Calls into JavaScript an element in the library alone, by strategy; tasks an element; calls of `link.html` until its
#: first media.
CALLS = {"link": 25, "delegated": 20, "blob": 35, "bundle": 25, "opfs": 60}
TASKS = 2
CALLS_UNTIL_FIRST_MEDIA = 3000
#: Bytes that are fetched again after a reload, against the first visit.
RELOAD = 0.0
#: Milliseconds of the longest task while a timeline scrolls, and how many of 100 frames may come late.
LONGEST_TASK_MS = 50
LATE_FRAMES_PERCENT = 2
#: Time a media of ten times as many.
GROWTH = 1.05
#: The homeserver's processor time behind a link, against its own download.
SMALL_FILE, LARGE_FILE, OFFLOADED = 0.75, 1.0, 0.02


def overhead(engine: str, interpreter: str, strategy: str, round_trip_ms: int) -> float:
    """Returns the goal of a strategy against the same in plain JavaScript; `delegated` has that of `link`."""
    if round_trip_ms:
        return _AT_A_DISTANCE
    return _OVERHEAD[engine, interpreter][{"delegated": "link"}.get(strategy, strategy)]


def start(engine: str, *, warm: bool) -> float:
    """Returns the goal of a page's start against a bare page's."""
    return _WARM_START[engine] if warm else _COLD_START


def heap(strategy: str) -> float:
    """Returns the goal of a heap's growth while 100 MB load, in parts of `HEAP_BYTES`."""
    return 0.5 if strategy in ("blob", "opfs") else 1.0
