"""What loading costs."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Traffic:
    """What a media cost so far, as far as the page can tell.

    ``preflights`` are counted by the Fetch standard's rules (see ``homeserver.Preflights``), since no page is shown
    them; ``bytes`` is the size of the bodies that came over the network.

    :param on_progress: called while a large body arrives, with the bytes that are there and those that were announced.
    """

    __slots__ = ("bytes", "on_progress", "preflights", "requests")

    def __init__(self, on_progress: "Callable[[int, int], None] | None" = None) -> None:
        self.requests = 0
        self.preflights = 0
        self.bytes = 0
        self.on_progress = on_progress
