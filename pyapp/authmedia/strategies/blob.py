"""`blob`: requests with the header, then an object URL, as clients do for encrypted media.

Use it where nothing may be stored on disk and no server can be changed. It works in every window, but a media is shown
only when all of it has arrived, it takes memory, and a reload transfers it again.
"""

from authmedia import browser
from authmedia.media import Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.object_urls import probe_object_urls, request_as_object_url


class BlobStrategy(Strategy):
    """Opens each media as an object URL of its body.

    https://developer.mozilla.org/docs/Web/URI/Reference/Schemes/blob
    """

    name = "blob"

    async def support(self) -> Support:
        """Shows an image of one pixel through an object URL."""
        return await probe_object_urls()

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Sends one authenticated request; the body stays in the browser's memory."""
        return await request_as_object_url(self.homeserver, request, traffic, self.name)

    def dispose(self, media: Media) -> None:
        """Revokes the object URL, which frees the body."""
        browser.revoke_object_url(media.src)


STRATEGY = BlobStrategy
