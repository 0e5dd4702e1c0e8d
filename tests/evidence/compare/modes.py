"""The browsers and windows of the comparison: those of the tests, and worlds that the comparison alone has."""

from tests.browser.engines import ALL_MODES, FIREFOX_PRIVATE_NO_WORKER, Mode

# As in the settings: "Block third-party cookies".
# https://source.chromium.org/chromium/chromium/src/+/main:components/content_settings/core/browser/cookie_settings.h
CHROMIUM_NO_THIRD_PARTY_COOKIES = Mode(
    "chromium-third-party-cookies-blocked",
    "chromium",
    {"profile": {"cookie_controls_mode": 1, "block_third_party_cookies": True}},
)
# Debian's Chromium blocks them by default; others allow them.
CHROMIUM_THIRD_PARTY_COOKIES = Mode(
    "chromium-third-party-cookies-allowed",
    "chromium",
    {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}},
)
CHROMIUM_INCOGNITO = Mode("chromium-incognito", "chromium", arguments=("--incognito",))
CHROMIUM_PHONE = Mode("chromium-phone", "chromium", device="Pixel 7")
CHROMIUM_SAVE_DATA = Mode("chromium-save-data", "chromium")
CHROMIUM_IFRAME = Mode("chromium-iframe", "chromium")
# Firefox sets what belongs to a category when it starts.
FIREFOX_STRICT = Mode("firefox-strict", "firefox", {"browser.contentblocking.category": "strict"})
# As Tor Browser sets it at its level Safer, but for what that forbids: WebAssembly has a mode of its own.
FIREFOX_TOR_LIKE = Mode(
    "firefox-tor-like",
    "firefox",
    {
        **FIREFOX_PRIVATE_NO_WORKER.preferences,
        "privacy.resistFingerprinting": True,
        "privacy.firstparty.isolate": True,
        "javascript.options.ion": False,
        "javascript.options.baselinejit": False,
        "javascript.options.native_regexp": False,
    },
)
FIREFOX_TOR_LIKE_SAFER = Mode(
    "firefox-tor-like-no-webassembly",
    "firefox",
    {**FIREFOX_TOR_LIKE.preferences, "javascript.options.wasm": False},
)
FIREFOX_IFRAME = Mode("firefox-iframe", "firefox")
# A user context of WebDriver BiDi is in Firefox what its users know as a container.
# https://firefox-source-docs.mozilla.org/remote/
FIREFOX_CONTAINER = Mode("firefox-container", "firefox", off_the_record=True)

#: Those whose pages are in a cross-origin frame, as widgets are.
IN_FRAMES = (CHROMIUM_IFRAME, FIREFOX_IFRAME)
MODES = (
    *ALL_MODES,
    CHROMIUM_NO_THIRD_PARTY_COOKIES,
    CHROMIUM_THIRD_PARTY_COOKIES,
    CHROMIUM_INCOGNITO,
    CHROMIUM_PHONE,
    CHROMIUM_SAVE_DATA,
    FIREFOX_STRICT,
    FIREFOX_CONTAINER,
    FIREFOX_TOR_LIKE,
    FIREFOX_TOR_LIKE_SAFER,
    *IN_FRAMES,
)
