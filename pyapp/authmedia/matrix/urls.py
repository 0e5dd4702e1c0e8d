"""URLs as far as requests need them."""

from authmedia import browser
from authmedia.errors import MalformedAddress
from authmedia.matrix.mxc import printable

# https://www.rfc-editor.org/rfc/rfc3986#section-2.3
_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


class BaseUrl:
    """The base URL of a homeserver, as the browser parses it: what every URL of a session begins with.

    :param text: an http or https URL of scheme, host, port and path, in any spelling.
    :raises MalformedAddress: if it is anything else, or has a user name, a query or a fragment.
    """

    __slots__ = ("hostname", "href", "origin")

    def __init__(self, text: str) -> None:
        url = browser.parse_url(text)
        if not url or url.protocol not in ("http:", "https:") or url.href != url.origin + url.path:
            raise MalformedAddress(f"{printable(text)} is no http or https address of a homeserver")
        self.hostname = url.hostname
        self.origin = url.origin
        #: Origin and path without a slash at the end: the same text for all spellings.
        self.href = url.origin + url.path.rstrip("/")


def percent_encode(text: str) -> str:
    """Encodes a text as one segment of a path, or one value of a query."""
    return "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
