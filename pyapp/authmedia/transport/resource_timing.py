"""What elements transfer by themselves: what it cost, and why it failed, which no element says.

Every strategy whose ``src`` leads to the network, rather than to an object URL, needs both.
"""

from authmedia import browser
from authmedia.errors import AuthMediaError, HomeserverUnreachable, TransferBrokeOff, WrongContent
from authmedia.matrix.homeserver import ask
from authmedia.media import DISK, MEMORY, NETWORK, Media, safe_content_type
from authmedia.transport.completeness import whole_body
from authmedia.transport.object_urls import is_picture


class Transfers:
    """Reads from the browser's resource timing what the loads of elements cost.

    https://developer.mozilla.org/docs/Web/API/PerformanceResourceTiming
    """

    __slots__ = ("_listed_since", "_seen")

    def __init__(self) -> None:
        # By URL, for as long as the browser lists their loads.
        self._seen: dict[str, _Seen] = {}
        self._listed_since = browser.resource_timing_generation()

    def observe(self, media: Media) -> bool:
        """Completes ``traffic`` and ``source`` of a media that an element has shown.

        :returns: whether all of it arrived, as far as the server said how much that is.
        """
        seen = self._recalled(media.src)
        before, now = seen.loads, browser.resource_timings(media.src)
        if now.entries > before.entries:
            media.source = NETWORK if now.requests > before.requests else DISK
            media.traffic.requests += now.requests - before.requests - seen.unlisted
            media.traffic.bytes += now.wire_bytes - before.wire_bytes
            seen.unlisted = 0
        elif seen.media is media:
            return seen.loads.complete  # several elements show it, and the first of them was asked already
        elif media.request.kind == "image":
            media.source = MEMORY  # one of the pictures that the browser has decoded already
        else:
            # A video's request is listed when it ends, which may be never; until then we count the one that it has.
            media.traffic.requests += 1
            seen.unlisted = 1
        seen.media = media
        seen.loads = now
        seen.parts += not now.complete
        return now.complete

    def shows_parts(self, media: Media) -> bool:
        """Whether elements were shown a part of it more than once: from this URL there may be no more to be had."""
        return self._recalled(media.src).parts > 1

    def _recalled(self, url: str) -> "_Seen":
        since = browser.resource_timing_generation()
        if since != self._listed_since:
            self._seen, self._listed_since = {}, since
        if url not in self._seen:
            self._seen[url] = _Seen()
        return self._seen[url]


class _Seen:
    """What was seen of one URL so far: its loads, the media that was shown by the last, a request that is not listed,
    and how often only a part was shown."""

    __slots__ = ("loads", "media", "parts", "unlisted")

    def __init__(self) -> None:
        self.loads = browser.ResourceTimings()
        self.media: Media | None = None
        self.unlisted = 0
        self.parts = 0


async def examine(media: Media, words: str) -> AuthMediaError:
    """Finds out why an element did not show a media, by asking for the same URL again.

    A picture is read to its end, and shown to another element, which does not transfer it: the first one says no more
    when its transfer broke off than when it has all of a bad file.

    :param words: what the element itself had to say, often nothing.
    """
    mxc = media.request.mxc
    pictured = media.request.kind == "image"
    media.traffic.requests += 1
    try:
        # Not what the browser's cache may have of a picture: an answer that was cut short, for one.
        response = await ask(media.src, cache="reload" if pictured else "default")
        if not pictured:
            response.abort()
        elif await _can_be_shown(response, media):
            return TransferBrokeOff("The transfer broke off", mxc=mxc, words=words)
    except AuthMediaError as error:
        return error.about(mxc)
    except browser.BrowserError as error:
        return HomeserverUnreachable("The transfer broke off", mxc=mxc, words=error.words)
    return WrongContent(f"The browser cannot show this as {media.request.kind}", mxc=mxc, words=words)


async def _can_be_shown(response: browser.Response, media: Media) -> bool:
    """Whether what this transfer brings can be shown.

    :raises BrowserError: if it breaks off, too, which not every browser says of itself.
    """
    body = await whole_body(response)
    media.traffic.bytes += body.size
    if body.size < (response.content_length or 0):
        raise browser.BrowserError("", "The body is shorter than its length")
    return await is_picture(body.slice(0, safe_content_type(response.header("Content-Type"))))
