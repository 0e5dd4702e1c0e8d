"""`bundle`: many small media in one response to one request; large media by themselves.

Use it for what a page shows many of at once, avatars and thumbnails, where each request costs a round trip: it needs
one for all of them. They take memory, and a reload transfers them again.
"""

from authmedia import browser
from authmedia.errors import AuthMediaError
from authmedia.media import Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.bundle_client import BundleClient
from authmedia.transport.object_urls import object_url_media, probe_object_urls, request_as_object_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver
    from authmedia.support.limits import Limits
    from authmedia.support.retry_policy import RetryPolicy


class BundleStrategy(Strategy):
    """Opens each part of a streamed response as an object URL, as it arrives."""

    name = "bundle"

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._client = BundleClient(homeserver)

    def configure(self, limits: "Limits | None", retry: "RetryPolicy | None") -> None:
        """Sets the number of concurrent bundles, and the longest delay of one."""
        if limits:
            self._client.max_transfers = min(self._client.max_transfers, limits.transfers)
        if retry:
            self._client.backoff.max_delay_s = retry.max_delay_s

    def transfers_body_of(self, request: MediaRequest) -> bool:
        """Returns whether it is too large for a bundle, whose media must not wait for others."""
        return not self._client.accepts(request)

    def accepts(self, request: MediaRequest) -> bool:
        """Returns whether it is small."""
        return self._client.accepts(request)

    async def support(self) -> Support:
        """Requests the limits of bundles, and shows an image of one pixel through an object URL."""
        try:
            words = await self._client.request_limits()
        except AuthMediaError as error:
            return Support(False, error.words or error.summary, error)
        return Support(False, words) if words else await probe_object_urls()

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Waits for the media's part of the next bundle; requests by itself what is large, or turns out to be."""
        if self._client.accepts(request):
            part = await self._client.request_part(request, traffic)
            if part:
                return await object_url_media(request, part.body, part.content_type, traffic, self.name)
        return await request_as_object_url(self.homeserver, request, traffic, self.name)

    def dispose(self, media: Media) -> None:
        """Revokes the object URL, which frees the body."""
        browser.revoke_object_url(media.src)

    def close(self) -> None:
        """Aborts the transfers."""
        self._client.close()


STRATEGY = BundleStrategy
