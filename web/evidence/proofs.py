"""Which tests prove a cell of the matrix, and which public bugs and documents explain its failure."""

from dataclasses import dataclass

from tests.evidence.compare.results import FAILS

COMPARISON = "tests/evidence/compare/verification.py::verify_media"
_ROOM, _PAGES, _COMPARE_PAGE, _WILD, _VIDEOS = (
    f"tests/browser/test_{name}.py" for name in ("room", "pages", "compare_page", "media_in_the_wild", "videos")
)
_MODES, _PERSISTENT = (f"tests/evidence/compare/test_{name}.py" for name in ("modes", "persistent_webkit"))
# The modes of the tests in browsers, with ``--full-matrix``; the comparison alone has the others.
_CHROMIUM, _FIREFOX, _FIREFOX_PRIVATE, _WEBKIT = "chromium", "firefox", "firefox-private", "webkit-ephemeral"
_TESTED = (_CHROMIUM, _FIREFOX, _FIREFOX_PRIVATE)
_SHOWN = (f"{_ROOM}::test_all_media_are_shown", _TESTED)
_SOUGHT = (f"{_ROOM}::test_video_seeks_to_its_middle", _TESTED)
_ENDED_IN_WEBKIT = (f"{_WILD}::test_webkit_ends_each_kind_the_same_way", (_WEBKIT,))
_PLAYED_IN_WEBKIT = (
    f"{_VIDEOS}::test_webkit_shows_the_poster_and_transfers_the_video_once_it_is_played",
    (_WEBKIT,),
)
_COMPARED = f"{_COMPARE_PAGE}::test_every_strategy_has_verdict_and_cost"
# The tests of strategies that work, with their modes.
_WORKING: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "blob": (_SHOWN, _SOUGHT, _ENDED_IN_WEBKIT, _PLAYED_IN_WEBKIT),
    "opfs": (_SHOWN, _SOUGHT, (f"{_PAGES}::test_opfs_sends_no_requests_after_reload", (_CHROMIUM, _FIREFOX))),
    "link": (_SHOWN, _SOUGHT, _ENDED_IN_WEBKIT, _PLAYED_IN_WEBKIT),
    "bundle": (_SHOWN, _SOUGHT),
    "delegated": (_SHOWN, _SOUGHT),
    "auto": ((_COMPARED, _TESTED),),
    "service_worker": (
        (f"{_PAGES}::test_unregistered_service_worker_is_registered_again", _TESTED),
        (f"{_COMPARE_PAGE}::test_strategies_do_not_share_cached_media", (_CHROMIUM,)),
    ),
    "cookie": ((_COMPARED, (_CHROMIUM,)),),
    "signed_query": ((_COMPARED, (_CHROMIUM,)),),
    "blocking": ((f"{_COMPARE_PAGE}::test_comparison_runs_on_pyodide", (_CHROMIUM,)),),
}
# The tests that a window is what its name says: by what a page sees there, or by what it keeps.
_SEEN = f"{_MODES}::test_modes_are_what_their_names_say"
_COOKIES = f"{_MODES}::test_third_party_cookies_are_blocked_where_the_name_says_so"
_INCOGNITO = f"{_MODES}::test_incognito_tabs_are_in_another_profile_than_those_that_playwright_opens"
_KEPT = f"{_PERSISTENT}::test_databases_caches_and_workers_survive_a_restart"
_WINDOWS = {
    "chromium-third-party-cookies-blocked": _COOKIES,
    "chromium-third-party-cookies-allowed": _COOKIES,
    "chromium-incognito": _INCOGNITO,
    "chromium-phone": _SEEN,
    "chromium-save-data": _SEEN,
    "chromium-iframe": _SEEN,
    "firefox-private-no-service-worker": _SEEN,
    "firefox-tor-like": _SEEN,
    "firefox-tor-like-no-webassembly": _SEEN,
    "firefox-iframe": _SEEN,
    "webkit-persistent": _KEPT,
    "webkit-persistent-file-system": _KEPT,
}
_REFUSED_STORAGE = f"{_ROOM}::test_private_window_reports_unsupported_strategy"


@dataclass(frozen=True)
class Source:
    """A public bug, pull request or document.

    :param kind: what it is, in a word or two.
    """

    kind: str
    title: str
    url: str


SYNAPSE_RANGES = Source(
    "Synapse issue 4780",
    "Media handler does not support HTTP range requests",
    "https://github.com/element-hq/synapse/issues/4780",
)
WEBKIT_RANGES = Source(
    "WebKit pull request 19687",
    "Cannot play mp4 videos in Element: Received unexpected 200 HTTP status code for range request",
    "https://github.com/WebKit/WebKit/pull/19687",
)
CHROMIUM_SEEKING = Source(
    "Chromium issue 1018533",
    "A video without range support cannot be sought",
    "https://bugs.chromium.org/p/chromium/issues/detail?id=1018533",
)
FIREFOX_OPFS = Source(
    "MDN pull request 39859",
    "Private browsing among the reasons for a SecurityError of getDirectory()",
    "https://github.com/mdn/content/pull/39859",
)
SAFARI_OPFS = Source(
    "wa-sqlite issue 237",
    "Safari's private tabs refuse it too, as an error; WebKitGTK 2.50 has it switched off",
    "https://github.com/rhashimoto/wa-sqlite/issues/237",
)
FIREFOX_WORKERS = Source(
    "Firefox bug 1320796",
    "Service workers in private windows, which Firefox had not before 138 or 139",
    "https://bugzilla.mozilla.org/show_bug.cgi?id=1320796",
)
SAFARI_COOKIES = Source(
    "Report on WebKit's announcement",
    "Full third-party cookie blocking since Safari 13.1",
    "https://www.macrumors.com/2020/03/24/safari-full-third-party-cookie-blocking",
)

# Parts of a failure's words, an engine (any if empty), and what explains it.
_EXPLANATIONS = (
    ("calling GetDirectory", "firefox", FIREFOX_OPFS),
    ("getDirectory is missing", "webkit", SAFARI_OPFS),
    ("unknown transient reason", "webkit", SAFARI_OPFS),
    ("serviceWorker is missing", "firefox", FIREFOX_WORKERS),
    ("200 HTTP status code for range request", "", WEBKIT_RANGES),
    ("200 HTTP status code for range request", "", SYNAPSE_RANGES),
    ("the video stands at", "chromium", CHROMIUM_SEEKING),
    ("the video stands at", "", SYNAPSE_RANGES),
    ("does not send the cookie back", "webkit", SAFARI_COOKIES),
)


def tests_of(strategy: str, mode: str, outcome: str) -> list[str]:
    """Returns the tests of a cell, as pytest names them.

    The first one is the comparison's own; then come the window's, if it has one, and the strategy's.
    """
    found = [COMPARISON]
    if mode in _WINDOWS:
        found.append(_WINDOWS[mode])
    if outcome != FAILS:
        return found + [test for test, modes in _WORKING.get(strategy, ()) if mode in modes]
    return found + ([_REFUSED_STORAGE] if (strategy, mode) == ("opfs", _FIREFOX_PRIVATE) else [])


def explanations_of(engine: str, words: str) -> list[Source]:
    """Returns what explains a failure."""
    return [source for part, of, source in _EXPLANATIONS if part in words and of in ("", engine)]
