"""`bundle`: many small media in one answer to one request; what is large is fetched by itself.

You would want it for what a page shows many of at once, avatars and thumbnails, where each request costs a round trip:
it takes one for all of them. They sit in memory, and a reload fetches them again.
"""

from authmedia import browser
from authmedia.errors import AuthMediaError
from authmedia.media import Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.bundle_client import Bundler
from authmedia.transport.object_urls import fetch_into_memory, in_memory, try_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver


class BundleStrategy(Strategy):
    """Cuts one streamed answer into object URLs as its parts arrive."""

    name = "bundle"

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._bundler = Bundler(homeserver)

    def carries(self, request: MediaRequest) -> bool:
        """What goes into a bundle is not to wait for others: all of it is to be one request."""
        return not self._bundler.takes(request)

    def suits(self, request: MediaRequest) -> bool:
        """What is small."""
        return self._bundler.takes(request)

    async def support(self) -> Support:
        """Asks the homeserver whether it makes bundles, and shows a picture of one pixel through an object URL."""
        try:
            words = await self._bundler.support()
        except AuthMediaError as error:
            words = error.words or error.what
        return Support(False, words) if words else await try_memory()

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """The next bundle's part; by itself what is large, or turns out to be."""
        if self._bundler.takes(request):
            part = await self._bundler.part(request, traffic)
            if part:
                return in_memory(request, part.body, part.content_type, traffic, self.name)
        return await fetch_into_memory(self.homeserver, request, traffic, self.name)

    def release(self, media: Media) -> None:
        """Revokes the object URL, which frees the bytes."""
        browser.revoke_object_url(media.src)

    def close(self) -> None:
        """Ends what is on its way."""
        self._bundler.close()


STRATEGY = BundleStrategy
