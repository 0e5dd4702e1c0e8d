"""`link`: requests short-lived signed links, many at a time, and gives them to the elements as they are.

Use it where the homeserver offers it: images appear while they arrive, videos seek by `Range`, no body passes through
the page, the browser's own cache works across reloads, and no media costs a preflight.
"""

from authmedia.errors import AuthMediaError
from authmedia.media import Media, MediaRequest, Support
from authmedia.strategies.linked import LinkedStrategy
from authmedia.support.gather import gather_all
from authmedia.traffic import Traffic
from authmedia.transport.link_client import LinkClient
from authmedia.transport.link_probe import try_link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver

# The kinds whose elements go on transferring after they are shown, and so notice when their link expires.
_STREAMED_KINDS = ("video", "audio")


class LinkStrategy(LinkedStrategy):
    """Opens each media as a signed link, of which one request makes all that are opened in one turn.

    https://github.com/matrix-org/matrix-spec/issues/1949
    """

    name = "link"

    def __init__(self, homeserver: "Homeserver") -> None:
        self._client = LinkClient(homeserver)
        super().__init__(homeserver, self._client)

    async def support(self) -> Support:
        """Requests the homeserver's limits and an empty batch, which opens the connection for later ones; tries a link.

        A proxy may strip the query of links, answer them by a page of its own, or have them lead to a wrong address.
        """
        try:
            config, probe = await gather_all(self.homeserver.request_config(), self._client.warm_up())
        except AuthMediaError as error:
            return Support(False, error.words or error.summary, error)
        self._client.batch_limit = max(1, int(config.get("batch_limit", self._client.batch_limit)))
        return await try_link(probe, self.homeserver.link_addresses, self.homeserver.hooks) if probe else Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Takes the link from the cache or the next batch, and renews that of a media that is streamed."""
        media = await super().open(request, traffic)
        if request.kind in _STREAMED_KINDS:
            self._client.pin(request)
        return media

    def dispose(self, media: Media) -> None:
        """Ends the renewal of the media's link."""
        self._client.unpin(media.request)


STRATEGY = LinkStrategy
