"""`plain`: the media's own URL, which everybody may load on homeservers from before Matrix 1.11.

Use it there: no server needs a module, images appear while they arrive, the browser's own cache works, and no request
has a token or a preflight. `auto` does so by itself. On other homeservers it does not work.
"""

from authmedia.errors import AuthMediaError, StrategyUnsupported
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.media_requests import media_path
from authmedia.transport.open_media import find_open_media, open_media_url
from authmedia.transport.resource_timing import TransferObserver, diagnose_transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver


class PlainStrategy(Strategy):
    """Opens each media as its URL without any secret.

    https://spec.matrix.org/v1.10/client-server-api/#content-repository
    """

    name = "plain"
    transfers_bodies = False  # the elements do

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._observer = TransferObserver()

    async def support(self) -> Support:
        """Asks the homeserver for its versions, by which its media are open or not."""
        try:
            await self._require()
        except AuthMediaError as error:
            return Support(False, error.words or error.summary, error)
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Returns the media's URL."""
        try:
            await self._require()
        except AuthMediaError as error:
            failure = error.for_media(request.mxc)
        else:
            url = open_media_url(self.homeserver, media_path(request))
            return Media(request, url, strategy=self.name, source=NETWORK, traffic=traffic, crossorigin="anonymous")
        raise failure

    async def measure(self, media: Media) -> bool:
        """Reads from the browser's resource timing what the element's own requests cost."""
        return self._observer.measure(media)

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Requests the same URL again, since an element never reports the cause."""
        return await diagnose_transfer(media, words, self.homeserver.hooks)

    async def _require(self) -> None:
        if not await find_open_media(self.homeserver):
            newest = (await self.homeserver.request_versions()).newest
            words = f"media need an access token on this homeserver ({newest or 'by its features'})"
            raise StrategyUnsupported("The homeserver does not give media to everybody", words=words)


STRATEGY = PlainStrategy
