"""`link`: requests short-lived signed links, many at a time, and gives them to the elements as they are.

Use it where the homeserver offers it: images appear while they arrive, videos seek by `Range`, no body passes through
the page, the browser's own cache works across reloads, and no media costs a preflight.
"""

from authmedia.errors import AuthMediaError, Forbidden, LinkExpired, WrongContent
from authmedia.media import NETWORK, RELOAD, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.support.gather import gather_all
from authmedia.traffic import Traffic
from authmedia.transport.link_client import LinkClient
from authmedia.transport.resource_timing import TransferObserver, diagnose_transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver
    from authmedia.support.limits import Limits
    from authmedia.support.retry_policy import RetryPolicy

# The kinds whose elements go on transferring after they are shown, and so notice when their link expires.
_STREAMED_KINDS = ("video", "audio")


class LinkStrategy(Strategy):
    """Opens each media as a signed link, of which one request makes all that are opened in one turn.

    https://github.com/matrix-org/matrix-spec/issues/1949
    """

    name = "link"
    transfers_bodies = False  # the elements do, with the browser's own limits and priorities

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._client = LinkClient(homeserver)
        self._observer = TransferObserver()

    def configure(self, limits: "Limits | None", retry: "RetryPolicy | None") -> None:
        """Sets the longest delay of a batch."""
        if retry:
            self._client.backoff.max_delay_s = retry.max_delay_s

    async def support(self) -> Support:
        """Requests the homeserver's limits and an empty batch, which opens the connection for later ones."""
        try:
            config, _ = await gather_all(self.homeserver.request_config(), self._client.warm_up())
        except AuthMediaError as error:
            return Support(False, error.words or error.summary, error)
        self._client.batch_limit = max(1, int(config.get("batch_limit", self._client.batch_limit)))
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Takes the link from the cache or the next batch."""
        if request.cache == RELOAD:
            self._client.renew(request.key)
        link = await self._client.request_link(request, traffic)
        if request.kind in _STREAMED_KINDS:
            self._client.pin(request)
        return Media(
            request,
            link.url,
            strategy=self.name,
            source=NETWORK,
            traffic=traffic,
            # Without CORS, resource timing hides sizes, and Firefox refuses media of content types unknown to it.
            crossorigin="anonymous",
            valid_until_ms=link.valid_until_ms,
        )

    def dispose(self, media: Media) -> None:
        """Ends the renewal of the media's link."""
        self._client.unpin(media.request)

    async def measure(self, media: Media) -> bool:
        """Reads from the browser's resource timing what the element's own requests cost.

        Firefox caches the part of an image that it has decoded, and shows no more of it for the same link, although it
        requests the link again: after two incomplete transfers the link is replaced.
        """
        complete = self._observer.measure(media)
        if not complete and self._observer.is_repeatedly_incomplete(media):
            self._client.replace(media.request.key, media.src)
        return complete

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Requests the link again, since an element never reports the cause."""
        failure = await diagnose_transfer(media, words, self.homeserver.hooks)
        if not isinstance(failure, WrongContent) and not failure.temporary:  # else the link itself is valid
            self._client.invalidate(media.request.key, media.src)
        if isinstance(failure, Forbidden):
            return LinkExpired("The homeserver no longer takes this link", mxc=failure.mxc, words=failure.words)
        return failure

    async def clear(self, request: MediaRequest | None) -> None:
        """Removes the links; the HTTP cache belongs to the browser."""
        await self._client.remove(request.key if request else None)

    def close(self) -> None:
        """Ends all renewals."""
        self._client.close()


STRATEGY = LinkStrategy
