"""`blob`: fetch with the header, then an object URL: what clients do for encrypted media anyway.

You would want it where nothing may touch the disk and no server can be changed. It works in every window, but a media
must arrive whole before its first byte can be shown, it sits in memory, and a reload fetches it again.
"""

from authmedia import browser
from authmedia.media import Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.object_urls import fetch_into_memory, try_memory


class BlobStrategy(Strategy):
    """Fetches the body into a `Blob` and shows its object URL.

    https://developer.mozilla.org/docs/Web/URI/Reference/Schemes/blob
    """

    name = "blob"

    async def support(self) -> Support:
        """Shows a picture of one pixel through an object URL."""
        return await try_memory()

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """One authenticated fetch; the body stays in the browser's memory."""
        return await fetch_into_memory(self.homeserver, request, traffic, self.name)

    def release(self, media: Media) -> None:
        """Revokes the object URL, which frees the bytes."""
        browser.revoke_object_url(media.src)


STRATEGY = BlobStrategy
