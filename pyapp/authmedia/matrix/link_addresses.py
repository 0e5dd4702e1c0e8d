"""Where the links of a session lead to, and where they are requested."""

from authmedia import browser
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX


class LinkAddresses:
    """Corrects the addresses that links lead to, where a proxy has told the homeserver a wrong one.

    A link is changed only into one to where the page has sent its request for it, which has seen it anyway.

    :param asked: the base URL that the page requests links from.
    """

    __slots__ = ("_bases", "asked", "uses_asked")

    def __init__(self, asked: str) -> None:
        self.asked = asked
        #: Whether all links are corrected, because none arrives where it leads to.
        self.uses_asked = False
        self._bases: dict[str, str] = {}

    def url_of(self, url: str) -> str:
        """Returns the URL of a link as it is to be requested."""
        base, prefix, rest = url.partition(AUTHMEDIA_PREFIX)
        return self.base_of(base) + prefix + rest if prefix else url

    def base_of(self, base: str) -> str:
        """Returns the base URL by which links are to be requested.

        Without being tried, it is corrected where it can be no other server: where it has the same host and lacks the
        path, or has `http:` in the place of `https:`.
        """
        if self.uses_asked:
            return self.asked
        if base not in self._bases:
            self._bases[base] = self.asked if self._is_same_server(base) else base
        return self._bases[base]

    def _is_same_server(self, base: str) -> bool:
        named, asked = browser.parse_url(base), browser.parse_url(self.asked)
        if not named or not asked:
            return False
        is_weaker = named.protocol == "http:" and asked.protocol == "https:" and named.hostname == asked.hostname
        return is_weaker or named.origin == asked.origin
