"""The interface of a strategy: whether it works here, and one request into one ``src``."""

from authmedia import browser
from authmedia.errors import AuthMediaError, WrongContent
from authmedia.matrix.http import request_url
from authmedia.media import Media, MediaRequest, Support
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from authmedia.matrix.homeserver import Homeserver
    from authmedia.support.limits import Limits
    from authmedia.support.retry_policy import RetryPolicy

    class Loader(Protocol):
        """The interface of the loaders that the strategy `auto` chooses from."""

        @property
        def name(self) -> str:
            """See `MediaLoader.name`."""
            ...

        async def support(self) -> Support:
            """See `MediaLoader.support`."""
            ...

        def accepts(self, request: MediaRequest) -> bool:
            """See `MediaLoader.accepts`."""
            ...

        async def load(
            self,
            request: MediaRequest,
            is_visible: "Callable[[], bool] | None" = None,
            on_progress: "Callable[[int, int], None] | None" = None,
        ) -> Media:
            """See `MediaLoader.load`."""
            ...

        def prioritize(self, request: MediaRequest) -> None:
            """See `MediaLoader.prioritize`."""
            ...

        def release(self, media: Media) -> None:
            """See `MediaLoader.release`."""
            ...

        async def observe(self, media: Media) -> bool:
            """See `MediaLoader.observe`."""
            ...

        async def examine(self, media: Media, words: str = "") -> AuthMediaError:
            """See `MediaLoader.examine`."""
            ...

        async def forget(self, request: MediaRequest | None = None) -> None:
            """See `MediaLoader.forget`."""
            ...

        def close(self) -> None:
            """See `MediaLoader.close`."""
            ...


class Strategy:
    """The base of all strategies. Coalescing, limits, retries, cancellation and counters are the pipeline's.

    :param homeserver: the session whose media it opens.
    """

    name = ""
    #: Whether `open` transfers bodies; else elements transfer them.
    transfers_bodies = True
    #: Whether the pipeline retries temporary failures; not where loaders below do so already.
    retries = True
    #: Whether it opens encrypted media by itself, as one does that passes requests on to loaders.
    decrypts = False

    def __init__(self, homeserver: "Homeserver") -> None:
        self.homeserver = homeserver

    def transfers_body_of(self, request: MediaRequest) -> bool:
        """Returns whether `open` transfers this body, so that the pipeline limits how many do at a time."""
        return self.transfers_bodies

    def accepts(self, request: MediaRequest) -> bool:
        """Returns whether a media is of the kind that this strategy is for, where there is a choice."""
        return True

    def configure(self, limits: "Limits | None", retry: "RetryPolicy | None") -> None:
        """Applies an application's options, as far as they concern more than the pipeline."""

    async def support(self) -> Support:
        """Tries whether the strategy works in this window and with this homeserver; never raises what it tried for."""
        raise NotImplementedError

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Turns a request into a media that an element can show.

        :param traffic: counts what it costs.
        :raises AuthMediaError: of the class that fits what happened.
        """
        raise NotImplementedError

    async def open_stored(self, request: MediaRequest, traffic: Traffic) -> Media | None:
        """Opens a media without a request, if it is stored on this device.

        :raises AuthMediaError: of the class that fits what happened.
        """
        return None

    def prioritize(self, request: MediaRequest) -> None:
        """Moves a request that is being opened before others, where it waits for them."""

    async def request_ciphertext(self, media: Media) -> browser.Response:
        """Requests the body of a media that `open` returned, for decryption rather than for an element.

        It may stay in the HTTP cache, since it is encrypted.

        :raises AuthMediaError: of the class that fits what happened.
        """
        if not media.traffic.partial:
            return await request_url(media.src, cache="default", hooks=self.homeserver.hooks)
        from authmedia.transport.resumption import request_rest  # few transfers break off

        return await request_rest(
            # Past the HTTP cache, which has parts in its own way.
            lambda headers: request_url(media.src, headers=headers, cache="no-store", hooks=self.homeserver.hooks),
            media.src,
            media.traffic,
        )

    def dispose(self, media: Media) -> None:
        """Frees the resources of a media that no element shows any more: its object URL, file or link."""

    async def measure(self, media: Media) -> bool:
        """Completes ``media.traffic`` and ``media.source``, where they are known only after an element has shown it.

        :returns: whether all of it arrived, as far as is known.
        """
        return True

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Returns why an element could not show a media.

        :param words: the element's own error message, often empty.
        """
        if media.src.startswith("blob:"):
            from authmedia.transport.media_formats import diagnose_object_url  # few media fail

            return await diagnose_object_url(media, words)
        return WrongContent(f"The browser cannot show this as {media.request.kind}", mxc=media.request.mxc, words=words)

    async def clear(self, request: MediaRequest | None) -> None:
        """Removes what is cached or stored of one media, or of all, beyond what elements show at this moment.

        :raises AuthMediaError: if the browser or the homeserver refuses.
        """

    def close(self) -> None:
        """Frees the resources of the strategy itself."""
