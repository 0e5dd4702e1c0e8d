"""The browsers and modes of the comparison, driven by Playwright or Selenium."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import BrowserContext, Playwright

from tests.browser.engines import ALL_MODES, Mode, launch_browser
from tests.evidence.compare import modes, webkit
from tests.evidence.compare.tab_kinds import embedding_tab, incognito_tab, save_data_tab
from tests.evidence.compare.tabs import Tab, playwright_tab

WEBKIT = "webkit"
EPHEMERAL, PERSISTENT = "webkit-ephemeral", "webkit-persistent"
#: Features of WebKit without which there is no origin private file system; WebKitGTK 2.50 has them switched off.
FILE_SYSTEM_FEATURES = ("FileSystem", "FileSystemWritableStream", "AccessHandle", "StorageAPI", "StorageAPIEstimate")
_PERSISTENT_MODES: dict[str, tuple[str, ...]] = {PERSISTENT: (), f"{PERSISTENT}-file-system": FILE_SYSTEM_FEATURES}
_TABS: dict[str, Callable[[BrowserContext], AbstractContextManager[Tab]]] = {
    modes.CHROMIUM_INCOGNITO.name: incognito_tab,
    modes.CHROMIUM_SAVE_DATA.name: save_data_tab,
    **{mode.name: embedding_tab for mode in modes.IN_FRAMES},
}


@dataclass
class Started:
    """A running browser with a new profile."""

    version: str
    new_tab: Callable[[], AbstractContextManager[Tab]]


@dataclass
class Browser:
    """A browser in a mode: its names, and how to start it.

    :param brief: whether one round with the homeserver on another site is enough: for its verdicts, not its figures.
    """

    engine: str
    mode: str
    start: Callable[[], AbstractContextManager[Started]]
    brief: bool = False


def find(playwright: Playwright, stack: ExitStack) -> tuple[list[Browser], dict[str, str]]:
    """Returns the browsers and modes that this machine has, and the reasons for missing ones.

    :param stack: closes what they need, such as a virtual screen.
    """
    browsers = [by_playwright(mode, playwright) for mode in modes.MODES]
    path = webkit.browser_path()
    if not path:
        return browsers, {WEBKIT: f"there is no WebKitGTK here: install {' and '.join(webkit.PACKAGES)} on Debian"}
    display = stack.enter_context(webkit.virtual_screen())
    browsers.append(Browser(WEBKIT, EPHEMERAL, partial(_ephemeral_webkit, path, display)))
    if not webkit.has_persistent_browser():
        return browsers, {PERSISTENT: f"install {' and '.join(webkit.PERSISTENT_PACKAGES)} on Debian"}
    browsers += [
        Browser(WEBKIT, mode, partial(_persistent_webkit, features, display), brief=True)
        for mode, features in _PERSISTENT_MODES.items()
    ]
    return browsers, {}


def by_playwright(mode: Mode, playwright: Playwright) -> Browser:
    """Returns a browser that Playwright drives."""
    return Browser(mode.browser, mode.name, partial(_start, mode, playwright), brief=mode not in ALL_MODES)


@contextmanager
def _start(mode: Mode, playwright: Playwright) -> Iterator[Started]:
    with launch_browser(mode, playwright) as context:
        version = context.browser.version if context.browser else ""
        yield Started(version, partial(_TABS.get(mode.name, playwright_tab), context))


@contextmanager
def _ephemeral_webkit(path: str, display: str) -> Iterator[Started]:
    with webkit.webkit_tab(path, display) as tab:
        version = tab.version
    yield Started(version, partial(webkit.webkit_tab, path, display))


@contextmanager
def _persistent_webkit(features: tuple[str, ...], display: str) -> Iterator[Started]:
    """Each tab is in a browser of its own, which has the profile of the ones before."""
    with TemporaryDirectory(prefix="authmedia-profile-", ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        with webkit.persistent_tab(profile, display, features) as tab:
            version = tab.version
        yield Started(version, partial(webkit.persistent_tab, profile, display, features))
