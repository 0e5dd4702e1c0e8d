"""Resource timing: what the loads of a URL cost. https://developer.mozilla.org/docs/Web/API/PerformanceResourceTiming"""

import json

from authmedia.browser import primitives
from authmedia.browser.dom import EventListener
from authmedia.browser.javascript import window
from authmedia.support.untrusted import SIZE_METRIC, parse_digits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# How many entries the browser lists before the list is cleared; its own default is 250.
_BUFFER_ENTRIES = 5000


class ResourceTimings:
    """The sum of all loads of one URL so far.

    :param entries: how many loads are listed, those answered by the browser's cache included.
    :param requests: how many of them went to the network; for another origin this is known only with
        ``Timing-Allow-Origin``.
    :param wire_bytes: the size of their bodies that came over the network.
    :param complete: whether the last load by an ``<img>`` has as many bytes as the server announced, as far as known.
    """

    __slots__ = ("complete", "entries", "requests", "wire_bytes")

    def __init__(self, entries: int = 0, requests: int = 0, wire_bytes: int = 0, complete: bool = True) -> None:
        self.entries = entries
        self.requests = requests
        self.wire_bytes = wire_bytes
        self.complete = complete


def resource_timings(url: str) -> ResourceTimings:
    """Returns the timings of a URL. https://developer.mozilla.org/docs/Web/API/Performance/getEntriesByName"""
    entries = json.loads(str(primitives.resource_timings(url)))
    timings = ResourceTimings(len(entries))
    for entry in entries:
        if entry["transferSize"] > 0 or entry["responseStart"] == 0:
            timings.requests += 1
            # The size of a body that a 304 left in the cache is listed, too, but was not transferred.
            transferred = entry["transferSize"] >= entry["encodedBodySize"]
            timings.wire_bytes += entry["encodedBodySize"] if transferred else 0
        if entry["initiatorType"] == "img":
            timings.complete = _is_complete(entry)
    return timings


def _is_complete(entry: "dict[str, Any]") -> bool:
    """https://developer.mozilla.org/docs/Web/API/PerformanceServerTiming"""
    received = entry["decodedBodySize"]  # 0 where the browser hides it
    metrics = entry.get("serverTiming", [])
    announced = [parse_digits(metric["description"]) for metric in metrics if metric["name"] == SIZE_METRIC]
    return not (received and announced) or received >= (announced[0] or 0)


class _Buffer:
    """The browser's list of loads, which is cleared whenever it is full: it would list none of the later ones.

    https://developer.mozilla.org/docs/Web/API/Performance/resourcetimingbufferfull_event
    """

    __slots__ = ("cleared", "listener")

    def __init__(self) -> None:
        self.listener: EventListener | None = None
        #: How often it was cleared.
        self.cleared = 0

    def clear(self) -> None:
        """Clears the list; the loads that did not fit into it are listed then."""
        window.performance.clearResourceTimings()
        self.cleared += 1


_BUFFER = _Buffer()


def resource_timing_generation() -> int:
    """Enlarges the browser's list of loads at the first call, and returns how often it was cleared since.

    Timings of different generations cannot be compared.
    """
    if not _BUFFER.listener:
        window.performance.setResourceTimingBufferSize(_BUFFER_ENTRIES)
        _BUFFER.listener = EventListener(window.performance, "resourcetimingbufferfull", _BUFFER.clear)
    return _BUFFER.cleared
