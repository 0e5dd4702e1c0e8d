"""The browsers and windows of the comparison: their names, what they lack, and which are not measured yet."""

from dataclasses import dataclass

from tests.evidence.compare.results import FAILS, Results

PRIVATE, NO_WORKER, NO_STORAGE, NO_COOKIES = "private", "no-worker", "no-storage", "no-cookies"

_ENGINES = {"chromium": "Chromium", "firefox": "Firefox", "webkit": "WebKitGTK"}
_WINDOWS = {
    "off-the-record": "private",
    "ephemeral": "private",
    "private-no-service-worker": "private, no service worker",
    "third-party-cookies-blocked": "third-party cookies blocked",
    "strict": "strict tracking protection",
    "tor-like": "Tor-like",
}
# Parts of a mode's name that tell what its windows lack.
_TRAITS = (
    (PRIVATE, ("private", "off-the-record", "ephemeral", "incognito", "tor-like")),
    (NO_WORKER, ("no-service-worker", "tor-like")),
    (NO_COOKIES, ("third-party-cookies", "strict", "ephemeral", "tor-like")),
)
#: Worlds that no stored run has, with what is special about each.
PLANNED = {
    "chromium-third-party-cookies-blocked": "Chromium with third-party cookies blocked",
    "chromium-incognito": "Chromium, incognito by its own switch",
    "chromium-phone": "Chromium as a phone, and with Save-Data",
    "firefox-strict": "Firefox with strict tracking protection",
    "firefox-containers": "Firefox, two containers",
    "firefox-tor-like": "Firefox as Tor Browser sets it: private, resistFingerprinting, no service worker, no JIT",
    "webkit-persistent": "WebKitGTK with persistent storage",
    "iframe": "A page in a cross-origin iframe, as widgets are",
    "offline": "Offline after a first visit",
    "native-ranges": "Synapse with ranges (native_ranges)",
}


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
            if _refuses_storage(results, setting.mode):
                traits.add(NO_STORAGE)
            found[setting.mode] = World(setting.mode, setting.engine, setting.version, frozenset(traits))
    return list(found.values())


def not_measured(results: Results) -> list[str]:
    """Returns descriptions of the worlds that the run does not have."""
    known = {name for cell in results.cells for name in (cell.setting.mode, cell.setting.homeserver)}
    return [words for mode, words in PLANNED.items() if mode not in known]


def _refuses_storage(results: Results, mode: str) -> bool:
    cells = [cell for cell in results.cells if cell.setting.mode == mode and cell.setting.strategy == "opfs"]
    return bool(cells) and all(cell.verdict == FAILS for cell in cells)
