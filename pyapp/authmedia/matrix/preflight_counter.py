"""CORS preflights, counted by the Fetch standard's rules, since no page is shown them."""

from authmedia import browser
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX

# How long browsers cache a preflight whose response has no Access-Control-Max-Age, and the value that ours have, which
# Chromium caps at two hours. https://fetch.spec.whatwg.org/#concept-cache
_DEFAULT_MAX_AGE_S = 5
_AUTHMEDIA_MAX_AGE_S = 7200


class PreflightCounter:
    """Counts the preflights of one session's requests.

    A request to another origin that carries ``Authorization`` or JSON is preceded by an OPTIONS request to its URL,
    unless an earlier one is cached. https://fetch.spec.whatwg.org/#cors-preflight-fetch

    :param origin: the server's; requests to the page's own origin have no preflights.
    """

    __slots__ = ("_cached_until_ms", "_is_cross_origin")

    def __init__(self, origin: str) -> None:
        self._is_cross_origin = origin != browser.page_origin()
        self._cached_until_ms: dict[str, float] = {}

    def count(self, url: str, headers: dict[str, str]) -> int:
        """Returns how many preflights (0 or 1) a request causes now."""
        if not headers or not self._is_cross_origin:
            return 0
        now_ms = browser.now_ms()
        if self._cached_until_ms.get(url, 0) > now_ms:
            return 0
        max_age_s = _AUTHMEDIA_MAX_AGE_S if AUTHMEDIA_PREFIX in url else _DEFAULT_MAX_AGE_S
        self._cached_until_ms[url] = now_ms + 1000 * max_age_s
        return 1
