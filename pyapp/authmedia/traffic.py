"""What loading costs."""


class Traffic:
    """What a media cost so far, as far as the page can tell.

    ``preflights`` are counted by the Fetch standard's rules (see ``homeserver.Preflights``), since no page is shown
    them; ``bytes`` is the size of the bodies that came over the network.
    """

    __slots__ = ("bytes", "preflights", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.preflights = 0
        self.bytes = 0
