"""The browsers and windows of the comparison: their names, what they lack, and which are not measured yet."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.evidence.compare.results import FAILS, RANGES, Results

PRIVATE, NO_WORKER, NO_STORAGE, NO_COOKIES = "private", "no-worker", "no-storage", "no-cookies"

_ENGINES = {"chromium": "Chromium", "firefox": "Firefox", "webkit": "WebKitGTK"}
_WINDOWS = {
    "off-the-record": "private",
    "ephemeral": "private",
    "private-no-service-worker": "private, no service worker",
    "third-party-cookies-blocked": "third-party cookies blocked",
    "third-party-cookies-allowed": "third-party cookies allowed",
    "incognito": "incognito by its switch",
    "phone": "as a phone",
    "save-data": "with Save-Data",
    "strict": "strict tracking protection",
    "container": "in a container",
    "tor-like": "Tor-like",
    "tor-like-no-webassembly": "Tor-like, no WebAssembly",
    "iframe": "in a frame of another site",
    "persistent": "persistent storage",
    "persistent-file-system": "persistent, with its file system switched on",
}
# Parts of a mode's name that tell what its windows lack.
_TRAITS = (
    (PRIVATE, ("private", "off-the-record", "ephemeral", "incognito", "tor-like")),
    (NO_WORKER, ("no-service-worker", "tor-like")),
    (NO_COOKIES, ("third-party-cookies", "strict", "ephemeral", "tor-like")),
)
# The cookie of another site that comes back unless the browser blocks it: see the comparison's probe.
_WHOLE_COOKIE = "whole="
#: The windows that the comparison is to have, by mode, with what is special about each.
DESCRIPTIONS = {
    "chromium": "A normal window, as Debian ships it: it blocks third-party cookies.",
    "chromium-off-the-record": "A private window of a browser that has normal ones, too.",
    "chromium-third-party-cookies-blocked": "The setting that blocks third-party cookies.",
    "chromium-third-party-cookies-allowed": "The setting that allows them.",
    "chromium-incognito": "A browser that has private windows alone: it was started with --incognito.",
    "chromium-phone": "The screen, the touch and the user agent of a phone, as Playwright describes it.",
    "chromium-save-data": "The setting that asks sites for less data.",
    "chromium-iframe": "The page is in a frame of another site, as widgets are.",
    "firefox": "A normal window.",
    "firefox-private": "A private window.",
    "firefox-private-no-service-worker": "A private window without service workers, as before Firefox 138.",
    "firefox-strict": "Enhanced tracking protection at its level strict.",
    "firefox-container": "A container, which has cookies and storage of its own.",
    "firefox-tor-like": "Firefox with settings of Tor Browser: private, resistFingerprinting, no worker, no JIT.",
    "firefox-tor-like-no-webassembly": "The same without WebAssembly, as at Tor Browser's levels Safer and Safest.",
    "firefox-iframe": "The page is in a frame of another site, as widgets are.",
    "webkit-ephemeral": "MiniBrowser under WebDriver, which keeps nothing.",
    "webkit-persistent": "A window that keeps what sites store.",
    "webkit-persistent-file-system": "The same with WebKit's private file system, which is off as shipped.",
}
# Homeservers that the comparison is to have, and that are no row of the matrix.
_HOMESERVERS = {RANGES: "Synapse with ranges (native_ranges)"}


@dataclass(frozen=True)
class World:
    """One browser in one kind of window.

    :param traits: `PRIVATE`, `NO_WORKER`, `NO_STORAGE`, `NO_COOKIES`.
    """

    mode: str
    engine: str
    version: str
    traits: frozenset[str]

    @property
    def browser(self) -> str:
        """Name of the browser."""
        return _ENGINES.get(self.engine, self.engine)

    @property
    def window(self) -> str:
        """What kind of window it is; empty for a normal one."""
        rest = self.mode.partition("-")[2]
        return _WINDOWS.get(rest, rest.replace("-", " "))

    @property
    def description(self) -> str:
        """What is special about the window; empty for one that is not known."""
        return DESCRIPTIONS.get(self.mode, "")

    @property
    def title(self) -> str:
        """Browser and window."""
        return f"{self.browser}, {self.window}" if self.window else self.browser

    @property
    def short_version(self) -> str:
        """Major and minor version."""
        return ".".join(self.version.split(".")[:2])


def worlds_of(results: Results) -> list[World]:
    """Returns the worlds of a run, in the order in which they were run."""
    found: dict[str, World] = {}
    for cell in results.cells:
        setting = cell.setting
        if setting.mode not in found:
            traits = {trait for trait, parts in _TRAITS if any(part in setting.mode for part in parts)}
            seen = results.about.get("worlds", {}).get(setting.mode, {})
            if "cookies" in seen:
                traits = traits - {NO_COOKIES} if _WHOLE_COOKIE in seen["cookies"] else traits | {NO_COOKIES}
            if _refuses_storage(results, setting.mode):
                traits.add(NO_STORAGE)
            found[setting.mode] = World(setting.mode, setting.engine, setting.version, frozenset(traits))
    return list(found.values())


def title_of(mode: str) -> str:
    """Returns the browser and window of a mode."""
    return World(mode, mode.partition("-")[0], "", frozenset()).title


def not_measured(results: Results, modes: Iterable[str] = (*DESCRIPTIONS, *_HOMESERVERS)) -> list[str]:
    """Returns the titles of the worlds that the run does not have.

    :param modes: those to look for.
    """
    known = {name for cell in results.cells for name in (cell.setting.mode, cell.setting.homeserver)}
    return [_HOMESERVERS.get(mode) or title_of(mode) for mode in modes if mode not in known]


def _refuses_storage(results: Results, mode: str) -> bool:
    cells = [cell for cell in results.cells if cell.setting.mode == mode and cell.setting.strategy == "opfs"]
    return bool(cells) and all(cell.verdict == FAILS for cell in cells)
