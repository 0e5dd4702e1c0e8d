"""The base of the strategies that give links to elements, which transfer by themselves."""

from authmedia.errors import AuthMediaError, Forbidden, HomeserverUnreachable, LinkExpired, WrongContent
from authmedia.media import RELOAD, Media, MediaRequest
from authmedia.strategies.base import Strategy
from authmedia.traffic import Traffic
from authmedia.transport.links import linked_media
from authmedia.transport.resource_timing import TransferObserver, diagnose_transfer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from authmedia.matrix.homeserver import Homeserver
    from authmedia.support.backoff import RateLimitBackoff
    from authmedia.support.limits import Limits
    from authmedia.support.retry_policy import RetryPolicy
    from authmedia.transport.links import Link

    class LinkSource(Protocol):
        """Where a strategy has its links from."""

        backoff: RateLimitBackoff

        async def request_link(self, request: MediaRequest, traffic: Traffic) -> Link:
            """Returns a valid link.

            :raises AuthMediaError: if the homeserver refuses.
            """
            ...

        def invalidate(self, key: str, url: str, refused: bool) -> None:
            """Removes a link that failed.

            :param refused: whether the homeserver refused the link rather than the media.
            """
            ...

        def replace(self, key: str, url: str) -> None:
            """Removes a link whose response the browser caches incompletely: the next one is new to any cache."""
            ...

        def renew(self, key: str) -> None:
            """Makes the next link of a media a URL new to any cache."""
            ...

        async def remove(self, key: str | None) -> None:
            """Removes the link of one media, or all."""
            ...

        def close(self) -> None:
            """Cancels pending requests."""
            ...


class LinkedStrategy(Strategy):
    """Opens each media as a link.

    :param source: where the links come from.
    """

    transfers_bodies = False  # the elements do, with the browser's own limits and priorities

    def __init__(self, homeserver: "Homeserver", source: "LinkSource") -> None:
        super().__init__(homeserver)
        self._source = source
        self._observer = TransferObserver()
        self._is_address_tried = False

    def configure(self, limits: "Limits | None", retry: "RetryPolicy | None") -> None:
        """Sets the longest delay of a request for links."""
        if retry:
            self._source.backoff.max_delay_s = retry.max_delay_s

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Returns the media with its link."""
        if request.cache == RELOAD:
            self._source.renew(request.key)
        link = await self._source.request_link(request, traffic)
        return linked_media(request, link, traffic, self.name)

    async def measure(self, media: Media) -> bool:
        """Reads from the browser's resource timing what the element's own requests cost.

        Firefox caches the part of an image that it has decoded, and shows no more of it for the same link, although it
        requests the link again: after two incomplete transfers the link is replaced.
        """
        complete = self._observer.measure(media)
        if not complete and self._observer.is_repeatedly_incomplete(media):
            self._source.replace(media.request.key, media.src)
        return complete

    async def diagnose(self, media: Media, words: str) -> AuthMediaError:
        """Requests the link again, since an element never reports the cause."""
        failure = await diagnose_transfer(media, words, self.homeserver.hooks)
        if isinstance(failure, HomeserverUnreachable) and await self._is_corrected(media.src):
            self._source.invalidate(media.request.key, media.src, False)
            return LinkExpired("Links led to another server", mxc=failure.mxc, words=failure.words)
        if not isinstance(failure, WrongContent) and not failure.temporary:  # else the link itself is valid
            self._source.invalidate(media.request.key, media.src, isinstance(failure, Forbidden))
        if isinstance(failure, Forbidden):
            return LinkExpired("The homeserver no longer takes this link", mxc=failure.mxc, words=failure.words)
        return failure

    async def _is_corrected(self, url: str) -> bool:
        """Returns whether links of this session are requested elsewhere from now on than this one, which failed.

        What they lead to is tried once, if it is not where the page asked for them.
        """
        addresses = self.homeserver.link_addresses
        if not self._is_address_tried and not url.startswith(addresses.asked):
            self._is_address_tried = True
            await self.support()
        return addresses.uses_asked and not url.startswith(addresses.asked)

    async def clear(self, request: MediaRequest | None) -> None:
        """Removes the links; the HTTP cache belongs to the browser."""
        await self._source.remove(request.key if request else None)

    def close(self) -> None:
        """Ends all requests for links."""
        self._source.close()
