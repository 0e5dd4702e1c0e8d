"""`link`: ask the homeserver for short-lived links, many at a time, and give them to the elements as they are.

You would want it where the homeserver offers it: pictures appear while they arrive, videos seek with `Range`, nothing
passes through the page, the browser's own cache works across reloads, and no media costs a preflight.
"""

from authmedia.errors import AuthMediaError, Forbidden, LinkExpired, WrongContent
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.support.gather import gather_all
from authmedia.traffic import Traffic
from authmedia.transport.link_client import Mint
from authmedia.transport.resource_timing import Transfers, examine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver

# What an element goes on reading from after it is shown: a link that ends under it is missed.
_LASTING_KINDS = ("video", "audio")


class LinkStrategy(Strategy):
    """Gives elements pre-authed links, minted in one request for all media that are asked for in one turn.

    https://github.com/matrix-org/matrix-spec/issues/1949
    """

    name = "link"
    transfers = False  # the elements transfer, with the browser's own limits and priorities

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._mint = Mint(homeserver)
        self._transfers = Transfers()

    async def support(self) -> Support:
        """Asks the homeserver for its limits, and for no links at all, which is where links are asked for later."""
        try:
            offer, _ = await gather_all(self.homeserver.offer(), self._mint.warm_up())
        except AuthMediaError as error:
            return Support(False, error.words or error.what)
        self._mint.batch_limit = max(1, int(offer.get("batch_limit", self._mint.batch_limit)))
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """A link, from those at hand or from the next batch."""
        link = await self._mint.link(request, traffic)
        if request.kind in _LASTING_KINDS:
            self._mint.keep_fresh(request)
        return Media(
            request,
            link.url,
            strategy=self.name,
            source=NETWORK,
            traffic=traffic,
            # With CORS, because without it browsers show no sizes, and Firefox refuses media of types it does not know.
            crossorigin="anonymous",
            good_until_ms=link.good_until_ms,
        )

    def release(self, media: Media) -> None:
        """Renews its link no more."""
        self._mint.let_go(media.request)

    async def observe(self, media: Media) -> bool:
        """Reads from the browser's resource timing what the element's own requests cost.

        Firefox keeps the part of a picture that it has decoded, and shows no other for the same link, though it asks.
        """
        whole = self._transfers.observe(media)
        if not whole and self._transfers.shows_parts(media):
            self._mint.replace(media.request.key, media.src)
        return whole

    async def examine(self, media: Media, words: str) -> AuthMediaError:
        """Asks for the link again, since an element never says why it failed."""
        failure = await examine(media, words)
        if not isinstance(failure, WrongContent) and not failure.temporary:  # else the link itself is good
            self._mint.drop(media.request.key, media.src)
        if isinstance(failure, Forbidden):
            return LinkExpired("The homeserver no longer takes this link", mxc=failure.mxc, words=failure.words)
        return failure

    async def forget(self, request: MediaRequest | None) -> None:
        """Throws the links away; the browser's own HTTP cache is the browser's to clear."""
        await self._mint.forget(request.key if request else None)

    def close(self) -> None:
        """Renews nothing any more."""
        self._mint.close()


STRATEGY = LinkStrategy
