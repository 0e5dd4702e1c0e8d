"""Transfers by the elements themselves: what they cost, and why they failed, which no element reports.

For every strategy whose ``src`` leads to the network rather than to an object URL.
"""

from authmedia import browser
from authmedia.errors import AuthMediaError, HomeserverUnreachable, TransferInterrupted, WrongContent
from authmedia.matrix.http import request_url
from authmedia.media import DISK, MEMORY, NETWORK, Media
from authmedia.transport.completeness import complete_body
from authmedia.transport.object_urls import is_decodable_image, safe_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authmedia.matrix.request_hooks import RequestHooks


class TransferObserver:
    """Reads from the browser's resource timing what the transfers of elements cost.

    https://developer.mozilla.org/docs/Web/API/PerformanceResourceTiming
    """

    __slots__ = ("_generation", "_observations")

    def __init__(self) -> None:
        # By URL, for as long as the browser lists their loads.
        self._observations: dict[str, _Observation] = {}
        self._generation = browser.resource_timing_generation()

    def measure(self, media: Media) -> bool:
        """Completes ``traffic`` and ``source`` of a media after an element has shown it.

        :returns: whether all of it arrived, as far as the server announced its length.
        """
        seen = self._observation(media.src)
        before, now = seen.timings, browser.resource_timings(media.src)
        if now.entries > before.entries:
            media.source = NETWORK if now.requests > before.requests else DISK
            media.traffic.requests += now.requests - before.requests - seen.unlisted
            media.traffic.bytes += now.wire_bytes - before.wire_bytes
            seen.unlisted = 0
        elif seen.media is media:
            return seen.timings.complete  # several elements show it, and it was measured for the first of them
        elif media.request.kind == "image":
            media.source = MEMORY  # the browser had it decoded already
        else:
            # A video's request is listed when it ends, which may be never; until then the one request is assumed.
            media.traffic.requests += 1
            seen.unlisted = 1
        seen.media = media
        seen.timings = now
        seen.incomplete += not now.complete
        return now.complete

    def is_repeatedly_incomplete(self, media: Media) -> bool:
        """Returns whether elements received a truncated body repeatedly, as from an HTTP cache that has no other."""
        return self._observation(media.src).incomplete > 1

    def _observation(self, url: str) -> "_Observation":
        generation = browser.resource_timing_generation()
        if generation != self._generation:
            self._observations, self._generation = {}, generation
        if url not in self._observations:
            self._observations[url] = _Observation()
        return self._observations[url]


class _Observation:
    """The measurements of one URL so far."""

    __slots__ = ("incomplete", "media", "timings", "unlisted")

    def __init__(self) -> None:
        self.timings = browser.ResourceTimings()
        #: The media that the last load was for.
        self.media: Media | None = None
        #: How many requests were counted that are not listed yet.
        self.unlisted = 0
        #: How often only a part arrived.
        self.incomplete = 0


async def diagnose_transfer(
    media: Media,
    words: str,
    hooks: "tuple[RequestHooks, ...]" = (),
    request: "Callable[[], Awaitable[browser.Response]] | None" = None,
) -> AuthMediaError:
    """Returns why an element did not show a media, by requesting the same URL again; the parameters are those below.

    Where the page gets the media and its element does not, the page's own policy may forbid the element to.

    :param request: requests the media in another way, and counts that; for URLs that no page may read.
    """
    failure = await _diagnose(media, words, request or (lambda: _request_again(media, hooks)))
    if isinstance(failure, (TransferInterrupted, WrongContent)):
        from authmedia.transport.media_formats import policy_refusal  # few media fail

        return await policy_refusal(media) or failure
    return failure


async def _request_again(media: Media, hooks: "tuple[RequestHooks, ...]") -> browser.Response:
    """Requests the URL of a media, past the browser's cache for an image: it may contain an incomplete response.

    :param hooks: see the request and its response.
    """
    media.traffic.requests += 1
    return await request_url(media.src, cache="reload" if media.request.kind == "image" else "default", hooks=hooks)


async def _diagnose(media: Media, words: str, request: "Callable[[], Awaitable[browser.Response]]") -> AuthMediaError:
    """Returns why an element did not show a media, by requesting it again.

    An image is read to its end and shown to another element, which does not transfer it: the first element reports the
    same for a transfer that broke off as for a damaged file.

    :param words: the element's own error message, often empty.
    """
    mxc = media.request.mxc
    is_image = media.request.kind == "image"
    from authmedia.transport.media_formats import content_failure, diagnose_response  # few media fail

    try:
        response = await request()
        if not is_image:
            return await diagnose_response(response, media, words)
        body = await _read_whole(response, media)
        if await is_decodable_image(await safe_body(media.request, body, response.header("Content-Type"))):
            return TransferInterrupted("The transfer broke off", mxc=mxc, words=words)
        return content_failure(await body.read_bytes(0, 64), body.size, media, words)
    except AuthMediaError as error:
        return error.for_media(mxc)
    except browser.BrowserError as error:
        return HomeserverUnreachable("The transfer broke off", mxc=mxc, words=error.words)


async def _read_whole(response: browser.Response, media: Media) -> browser.Blob:
    """Reads the body of a response, and counts its bytes.

    :raises BrowserError: if the transfer breaks off, which not every browser reports.
    """
    body = await complete_body(response)
    media.traffic.bytes += body.size
    if body.size < (response.content_length or 0):
        raise browser.BrowserError("", "The body is shorter than its length")
    return body
