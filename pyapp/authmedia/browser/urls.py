"""URLs, parsed by the browser. https://url.spec.whatwg.org/"""

from authmedia.browser.javascript import window


class Url:
    """The parts of an absolute URL. https://developer.mozilla.org/docs/Web/API/URL"""

    __slots__ = ("hostname", "href", "origin", "path", "protocol")

    def __init__(self, href: str, protocol: str, hostname: str, origin: str, path: str) -> None:
        self.href = href
        #: The scheme with its colon, such as ``https:``.
        self.protocol = protocol
        #: Without the port; an IPv6 address is in brackets.
        self.hostname = hostname
        #: Scheme, host and port, as the Fetch standard compares them.
        self.origin = origin
        self.path = path


def parse_url(text: str) -> Url | None:
    """Parses an absolute URL as the browser does before it connects; returns ``None`` where that fails.

    This is the only way to an origin or a host in Python: a pattern may find another host than the browser, which
    parses ``https:evil.example/://localhost`` as ``evil.example``.
    """
    if not window.URL.canParse(text):
        return None
    js = window.URL.new(text)
    return Url(str(js.href), str(js.protocol), str(js.hostname), str(js.origin), str(js.pathname))
