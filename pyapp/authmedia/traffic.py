"""The cost of a load: requests, preflights and bytes."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Traffic:
    """Counts what a media cost so far, as far as the page can tell.

    ``preflights`` are counted by the Fetch standard's rules (`matrix.preflight_counter`), since no page is shown them;
    ``bytes`` is the size of the bodies that came over the network.

    :param is_urgent: returns whether the media's place is visible, for transports that order their requests.
    :param on_progress: called while a large body arrives, with the bytes received and the announced length.
    """

    __slots__ = ("bytes", "is_urgent", "on_progress", "preflights", "requests")

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
