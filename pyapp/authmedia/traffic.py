"""The cost of a load: requests, preflights and bytes; and counters of all loads."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class PartialBody:
    """The beginning of a body whose transfer broke off.

    :param body: what was received, a blob.
    :param total: the length of the whole in bytes.
    :param etag: the strong entity tag of the whole.
    """

    __slots__ = ("body", "etag", "total")

    def __init__(self, body: "Any", total: int, etag: str) -> None:
        self.body = body
        self.total = total
        self.etag = etag


class Traffic:
    """Counts what a media cost so far, as far as the page can tell.

    ``preflights`` are counted by the Fetch standard's rules (`matrix.preflight_counter`), since no page is shown them;
    ``bytes`` is the size of the bodies that came over the network.

    ``partial`` is what an attempt received of a body that broke off, for the next one to continue.

    :param is_urgent: returns whether the media's place is visible, for transports that order their requests.
    :param on_progress: called while a large body arrives, with the bytes received and the announced length.
    """

    __slots__ = ("bytes", "is_urgent", "on_progress", "partial", "preflights", "requests")

    def __init__(
        self,
        is_urgent: "Callable[[], bool] | None" = None,
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> None:
        self.requests = 0
        self.preflights = 0
        self.bytes = 0
        self.is_urgent = is_urgent
        self.on_progress = on_progress
        self.partial: PartialBody | None = None

    def copy(self) -> "Traffic":
        """Returns the same counts, which grow no more."""
        counts = Traffic()
        counts.add(self)
        return counts

    def add(self, other: "Traffic | None") -> None:
        """Adds what another load cost."""
        if other:
            self.requests += other.requests
            self.preflights += other.preflights
            self.bytes += other.bytes


class Counters:
    """Counts what a pipeline did so far; ``opened`` minus ``released`` is what its cache contains.

    ``coalesced`` loads joined one in flight, and ``hits`` were answered by the cache.
    """

    __slots__ = ("aborted", "coalesced", "failed", "hits", "on_count", "opened", "released", "retried")

    def __init__(self) -> None:
        #: Called with the name and the new value whenever a counter changes.
        self.on_count: Callable[[str, int], None] | None = None
        self.opened = 0
        self.released = 0
        self.coalesced = 0
        self.hits = 0
        self.retried = 0
        self.aborted = 0
        self.failed = 0

    def increment(self, name: str) -> None:
        """Increments a counter."""
        value = getattr(self, name) + 1
        setattr(self, name, value)
        if self.on_count:
            self.on_count(name, value)
