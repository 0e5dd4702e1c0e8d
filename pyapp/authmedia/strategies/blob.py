"""`blob`: fetch with the header, then an object URL: what clients do for encrypted media anyway.

You would want it where nothing may touch the disk and no server can be changed. It works in every window, but a media
must arrive whole before its first byte can be shown, it sits in memory, and a reload fetches it again.
"""

from authmedia import browser
from authmedia.errors import HomeserverUnreachable
from authmedia.media import NETWORK, Media, MediaRequest, Support, safe_content_type
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic

_PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'


class BlobStrategy(Strategy):
    """Fetches the body into a `Blob` and shows its object URL.

    https://developer.mozilla.org/docs/Web/URI/Reference/Schemes/blob
    """

    name = "blob"

    async def support(self) -> Support:
        """Shows a picture of one pixel through an object URL."""
        url = browser.text_blob(_PROBE, "image/svg+xml").object_url()
        try:
            shown = await browser.decodes(url)
            return Support(shown, "" if shown else "The browser does not show a picture from an object URL")
        finally:
            browser.revoke_object_url(url)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """One authenticated fetch; the body stays in the browser's memory."""
        response = await self.homeserver.fetch_media(request, traffic)
        try:
            body = await response.blob(traffic.on_progress)
        except browser.BrowserError as error:
            failure = HomeserverUnreachable("The transfer broke off", mxc=request.mxc, words=error.words)
        else:
            traffic.bytes += body.size
            content_type = safe_content_type(response.header("Content-Type") or request.content_type)
            return Media(
                request,
                body.slice(0, content_type).object_url(),
                strategy=self.name,
                source=NETWORK,
                traffic=traffic,
                content_type=content_type,
                size=body.size,
            )
        raise failure

    def release(self, media: Media) -> None:
        """Revokes the object URL, which frees the bytes."""
        browser.revoke_object_url(media.src)


STRATEGY = BlobStrategy
