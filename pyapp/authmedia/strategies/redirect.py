"""`redirect`: the URL that the homeserver redirects to, which needs no token, as it is.

Use it where the homeserver answers for its media with redirects to a storage (Matrix 1.11, MSC3860), and offers no
links: videos play and seek before they are complete, and no body passes through the page. `auto` does so by itself.
"""

from authmedia import browser
from authmedia.errors import (
    AuthMediaError,
    Forbidden,
    HomeserverUnreachable,
    LinkExpired,
    MalformedMxc,
    MediaNotFound,
    ProxyRefused,
)
from authmedia.matrix.urls import percent_encode
from authmedia.media import RELOAD, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.links import linked_media
from authmedia.transport.media_requests import media_path, request_media
from authmedia.transport.object_urls import response_as_object_url
from authmedia.transport.redirects import RedirectCache
from authmedia.transport.resource_timing import TransferObserver, diagnose_transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.matrix.homeserver import Homeserver

_STREAMED_KINDS = ("video", "audio")
_LARGE_BYTES = 1_000_000
_PROFILE_PATH = "/_matrix/client/v3/profile/"


class RedirectStrategy(Strategy):
    """Opens each media as the URL that its authenticated request was redirected to, whose body is aborted.

    What the homeserver sends itself comes from that response, as an object URL. So does a file to be saved: how the
    storage serves it is not the page's to say. https://spec.matrix.org/latest/client-server-api/#content-repository
    """

    name = "redirect"

    def __init__(self, homeserver: "Homeserver") -> None:
        super().__init__(homeserver)
        self._redirects = RedirectCache(homeserver)
        self._observer = TransferObserver()
        # The media requested last, by which redirects can be tried again.
        self._last: MediaRequest | None = None

    def accepts(self, request: MediaRequest) -> bool:
        """Returns whether a media is streamed, or large: for a small one, the redirect costs more than its body."""
        return request.kind in _STREAMED_KINDS or (request.kind == "image" and (request.size or 0) > _LARGE_BYTES)

    async def support(self) -> Support:
        """Requests a media, and the URL that it leads to: the one that was requested last, or the user's avatar."""
        try:
            request = self._last or await self._avatar()
        except AuthMediaError as error:
            return Support(False, error.words or error.summary, error)
        if not request:
            return Support(True)  # there is nothing to try it with; the first media will tell
        try:
            requested_ms = browser.epoch_ms()
            response = await request_media(self.homeserver, request, Traffic())
            link = await self._redirects.add(request.key, response, requested_ms, Traffic())
            response.abort()
        except AuthMediaError as error:
            if isinstance(error, HomeserverUnreachable) and await self._is_redirected(request):
                return Support(False, "the homeserver redirects to a storage that lets no page read its media (CORS)")
            return Support(False, error.words or error.summary, error)
        if link:
            return Support(True)
        if response.redirected_url:
            return Support(False, "the URL that the homeserver redirects to needs a token as well")
        return Support(False, f"the homeserver sends {request.mxc} itself, and redirects to no storage")

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Returns the media with the URL, from the cache or from a request."""
        self._last = request
        if request.cache == RELOAD:
            self._redirects.remove(request.key)
        link = None if request.kind == "file" else self._redirects.get(request.key)
        if not link:
            requested_ms = browser.epoch_ms()
            response = await request_media(self.homeserver, request, traffic)
            if request.kind != "file":
                link = await self._redirects.add(request.key, response, requested_ms, traffic)
            if not link:
                return await response_as_object_url(response, request, traffic, self.name)
            response.abort()
        return linked_media(request, link, traffic, self.name)

    def dispose(self, media: Media) -> None:
        """Revokes the object URL, if it is one."""
        if media.src.startswith("blob:"):
            browser.revoke_object_url(media.src)

    async def measure(self, media: Media) -> bool:
        """Reads from the browser's resource timing what the element's own requests cost."""
        return media.src.startswith("blob:") or self._observer.measure(media)

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Requests the URL again, since an element never reports the cause."""
        if media.src.startswith("blob:"):
            return await super().diagnose(media, words)
        failure = await diagnose_transfer(media, words, self.homeserver.hooks)
        if not failure.temporary:
            self._redirects.invalidate(media.request.key, media.src)
        if isinstance(failure, (Forbidden, ProxyRefused)):
            return LinkExpired("The storage no longer takes this address", mxc=failure.mxc, words=failure.words)
        return failure

    async def clear(self, request: MediaRequest | None) -> None:
        """Removes the URLs; the HTTP cache belongs to the browser."""
        self._redirects.remove(request.key if request else None)

    async def _avatar(self) -> MediaRequest | None:
        """Returns the request for the user's own avatar, if there is one."""
        path = f"{_PROFILE_PATH}{percent_encode(self.homeserver.user_id)}/avatar_url"
        try:
            profile = await self.homeserver.request_json("GET", path)
            return MediaRequest(str(profile.get("avatar_url", "")))
        except (MediaNotFound, MalformedMxc):
            return None

    async def _is_redirected(self, request: MediaRequest) -> bool:
        """Returns whether the homeserver answers with a redirect, without following it."""
        url = self.homeserver.base_url + media_path(request)
        try:
            return await browser.is_redirected(url, await self.homeserver.auth_headers())
        except (AuthMediaError, browser.BrowserError):
            return False


STRATEGY = RedirectStrategy
