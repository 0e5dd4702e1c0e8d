"""What a strategy is: whether it works here, one request into one ``src``, and forgetting."""

from authmedia import browser
from authmedia.errors import AuthMediaError, WrongContent
from authmedia.matrix.homeserver import ask
from authmedia.media import Media, MediaRequest, Support
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver


class Strategy:
    """The base of all strategies. Coalescing, limits, retries, cancellation and counting live in the pipeline.

    :param homeserver: the session whose media it loads.
    """

    name = ""
    #: Whether bodies come through `open` itself; else elements transfer them.
    transfers = True
    #: Whether the pipeline tries again what may go well later; not where others do that already.
    retried = True
    #: Whether it opens encrypted media by itself, as one does that hands requests on to other loaders.
    decrypts = False

    def __init__(self, homeserver: "Homeserver") -> None:
        self.homeserver = homeserver

    def carries(self, request: MediaRequest) -> bool:
        """Whether the body comes through `open`, so that the pipeline limits how many do at a time."""
        return self.transfers

    def suits(self, request: MediaRequest) -> bool:
        """Whether a media is of the sort that this strategy is for, where there is a choice of others."""
        return True

    async def support(self) -> Support:
        """Tries whether the strategy works in this window and with this homeserver; never raises what it tried for."""
        raise NotImplementedError

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Turns a request into what an element can show, counting what it costs in ``traffic``.

        :raises AuthMediaError: of the class that fits what happened.
        """
        raise NotImplementedError

    def hurry(self, request: MediaRequest) -> None:
        """Lets what it loads at this moment go before others, where it has others to wait for."""

    async def read(self, media: Media) -> browser.Response:
        """What ``open`` gave, for who needs the bytes instead of an element: a media that is to be decrypted.

        It may stay in the browser's HTTP cache, since nobody can read it there.

        :raises AuthMediaError: of the class that fits what happened.
        """
        return await ask(media.src, cache="default")

    def release(self, media: Media) -> None:
        """Lets go of what ``open`` made for this media: nothing shows it any more."""

    async def observe(self, media: Media) -> bool:
        """Completes ``media.traffic`` and ``media.source`` where they are known only once an element has shown it.

        :returns: whether all of it arrived, as far as anybody can tell.
        """
        return True

    async def examine(self, media: Media, words: str) -> AuthMediaError:
        """Finds out why an element could not show what ``open`` gave it.

        :param words: what the element itself had to say, often nothing.
        """
        return WrongContent(f"The browser cannot show this as {media.request.kind}", mxc=media.request.mxc, words=words)

    def close(self) -> None:
        """Lets go of what the strategy itself holds: the session ends, or the page does without it."""

    async def forget(self, request: MediaRequest | None) -> None:
        """Drops what is kept of one media, or of all, beyond what elements show at this moment."""
