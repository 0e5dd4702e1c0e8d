"""Links, however they are made."""

from authmedia import browser
from authmedia.media import NETWORK, Media, MediaRequest
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A link is not given to an element when less than this is left of its life: a video would outlast it at once.
_MARGIN_MS = 30_000.0
# For a link with a short life, a tenth of it.
_MARGIN_PART = 0.1


class Link:
    """A signed link.

    :param valid_until_ms: until when it may be given to an element, in milliseconds since 1970 on this device's clock;
        some time before the server lets it expire.
    """

    __slots__ = ("url", "valid_until_ms")

    def __init__(self, url: str, valid_until_ms: float) -> None:
        self.url = url
        self.valid_until_ms = valid_until_ms

    @property
    def is_valid(self) -> bool:
        """Whether it may be given to an element."""
        return self.valid_until_ms > browser.epoch_ms()


def linked_media(request: MediaRequest, link: Link, traffic: Traffic, strategy: str) -> Media:
    """Returns a media whose element transfers it by a link.

    :param strategy: the name of the strategy that serves it.
    """
    return Media(
        request,
        link.url,
        strategy=strategy,
        source=NETWORK,
        traffic=traffic,
        # Without CORS, resource timing hides sizes, and Firefox refuses media of content types unknown to it.
        crossorigin="anonymous",
        valid_until_ms=link.valid_until_ms,
    )


def usable_ms(left_ms: float) -> float:
    """Returns for how long a link may be given to an element, of the time until the server lets it expire."""
    return left_ms - min(_MARGIN_MS, left_ms * _MARGIN_PART)


def is_http_url(url: "Any") -> bool:
    """Returns whether a link is one to a server: a homeserver must not make the page open ``javascript:``."""
    scheme, separator, _ = url.partition("://") if isinstance(url, str) else ("", "", "")
    return bool(separator) and scheme in ("https", "http")
