"""What loading costs, and on whose behalf it is done."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Traffic:
    """What a media cost so far, as far as the page can tell.

    ``preflights`` are counted by the Fetch standard's rules (see ``homeserver.Preflights``), since no page is shown
    them; ``bytes`` is the size of the bodies that came over the network.

    :param urgent: tells whether people see where the media is to be shown, for whoever hands a load on to others.
    :param on_progress: called while a large body arrives, with the bytes that are there and those that were announced.
    """

    __slots__ = ("bytes", "on_progress", "preflights", "requests", "urgent")

    def __init__(
        self,
        urgent: "Callable[[], bool] | None" = None,
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> None:
        self.requests = 0
        self.preflights = 0
        self.bytes = 0
        self.urgent = urgent
        self.on_progress = on_progress

    def add(self, other: "Traffic | None") -> None:
        """Counts what another load cost, too."""
        if other:
            self.requests += other.requests
            self.preflights += other.preflights
            self.bytes += other.bytes
