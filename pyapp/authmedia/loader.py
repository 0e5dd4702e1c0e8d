"""The media loader: what an application holds, whatever the strategy behind it."""

from authmedia import strategies
from authmedia.errors import AuthMediaError, StorageRefused
from authmedia.media import Media, MediaRequest, Support
from authmedia.pipeline import Counters, Pipeline, Waiter
from authmedia.strategies import AUTO
from authmedia.strategies.decrypting import Decrypting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from authmedia.matrix.homeserver import Homeserver
    from authmedia.strategies.base import Strategy


def open_loader(name: str, homeserver: "Homeserver") -> "MediaLoader":
    """A loader for one session, by the strategy ``auto``, ``bundle``, ``link``, ``opfs``, ``blob`` or a baseline.

    :raises ValueError: if there is no strategy of that name.
    """
    if name != AUTO:
        return MediaLoader(strategies.create(name, homeserver))
    loaders = [open_loader(other, homeserver) for other in strategies.PREFERRED]
    return MediaLoader(strategies.choosing(homeserver, loaders))


async def forget_account(homeserver: "Homeserver") -> None:
    """Drops all that any strategy keeps of an account, in memory, in the tab and on disk: for a logout.

    Close the account's loaders first. Where a browser refuses its storage there is nothing in it.
    """
    for name in strategies.NAMES:
        loader = open_loader(name, homeserver)
        try:
            await loader.forget()
        except StorageRefused:
            continue
        finally:
            loader.close()


class MediaLoader:
    """Loads media of one session by one strategy.

    >>> loader = open_loader("link", Homeserver("https://matrix.example.org", "@ana:example.org", token))
    >>> media = await loader.load(MediaRequest("mxc://example.org/abc", width=96, height=96, method="crop"))
    >>> image.src = media.src

    Whoever loads gives back: `release` when nothing shows the media any more, `close` when the session ends.
    """

    __slots__ = ("_pipeline", "_strategy")

    def __init__(self, strategy: "Strategy") -> None:
        self._strategy = strategy if strategy.decrypts else Decrypting(strategy)
        self._pipeline = Pipeline(self._strategy)

    @property
    def name(self) -> str:
        """The strategy's name."""
        return self._strategy.name

    @property
    def user_id(self) -> str:
        """Whose session it loads with."""
        return self._strategy.homeserver.user_id

    @property
    def counters(self) -> Counters:
        """What this loader did so far."""
        return self._pipeline.counters

    async def support(self) -> Support:
        """Tries whether the strategy works in this window and with this homeserver."""
        return await self._strategy.support()

    def suits(self, request: MediaRequest) -> bool:
        """Whether a media is of the sort that the strategy is for, where there is a choice of others."""
        return self._strategy.suits(request)

    async def load(
        self,
        request: MediaRequest,
        visible: "Callable[[], bool] | None" = None,
        on_progress: "Callable[[int, int], None] | None" = None,
    ) -> Media:
        """What an element can show for a request; equal requests at the same time are one load.

        Cancelling it aborts the transfer, unless somebody else waits for the same media.

        :param visible: tells whether people see where it is to be shown: that goes before what they do not see. What
            comes into sight later is told by `hurry`.
        :param on_progress: called while a large body arrives, with the bytes that are there and those that were
            announced; never where the element transfers by itself, or nobody announced anything.
        :raises AuthMediaError: of the class that fits what happened.
        """
        return await self._pipeline.load(request, Waiter(visible, on_progress))

    def hurry(self, request: MediaRequest) -> None:
        """Lets a load that is waiting for others go before them: people see now where it is to be shown."""
        self._pipeline.hurry(request)

    def release(self, media: Media) -> None:
        """Gives back what `load` gave: the element shows it no more."""
        self._pipeline.release(media)

    async def observe(self, media: Media) -> bool:
        """Completes the media's ``traffic`` and ``source`` after an element has shown it.

        :returns: whether all of it arrived, as far as anybody can tell: some elements show a part as if it were whole.
        """
        whole = await self._strategy.observe(media)
        self._pipeline.has_arrived(media)
        return whole

    async def examine(self, media: Media, words: str = "") -> AuthMediaError:
        """Finds out why an element could not show a media, and forgets it, so that the next load starts afresh."""
        failure = await self._strategy.examine(media, words)
        self._pipeline.forget_opened(media)
        return failure

    async def forget(self, request: MediaRequest | None = None) -> None:
        """Drops what is kept of one media, or of all of this account's, in memory and on disk.

        :raises AuthMediaError: if the browser refuses to remove it.
        """
        self._pipeline.forget(request.key if request else None)
        await self._strategy.forget(request)

    def close(self) -> None:
        """Aborts what is on its way and releases all that elements were given; what is on disk stays."""
        self._pipeline.close()
        self._strategy.close()
