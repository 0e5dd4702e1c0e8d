"""Finds or installs the browsers of the tests and launches them in their modes.

Playwright's own builds are preferred where ``playwright install`` can get them, else Debian's packages. The result is
stored in ``.state``, so that only the first run searches.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Playwright, sync_playwright

#: Whether browsers run without windows; `pytest --headed` sets it to ``False``.
headless = True

_FOUND = Path(__file__).resolve().parents[2] / ".state" / "browsers.json"
_INSTALL_S = 900

# Debian's packages and where they put the browser.
_DEBIAN = {
    "chromium": ("chromium", "/usr/bin/chromium"),
    "firefox": ("firefox-esr", "/usr/bin/firefox-esr"),
}
_CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A stock Firefox is driven over WebDriver BiDi, which cannot emulate media features.
_NO_EMULATION = {"color_scheme": "null", "reduced_motion": "null", "forced_colors": "null", "contrast": "null"}


@dataclass(frozen=True)
class Mode:
    """A browser with a way of opening it: normal or private windows, certain preferences.

    :param preferences: Firefox's, as in ``about:config``; Chromium's, as in its profile's file ``Preferences``.
    :param off_the_record: for Chromium, windows that keep nothing; for Firefox, the tabs of one container.
    :param arguments: switches for the command line of Chromium.
    :param device: a device of Playwright to emulate, such as ``Pixel 7``.
    :param own_viewport: whether a Firefox has the viewport and device pixels of its window, until a test sets others.
    """

    name: str
    browser: str
    preferences: dict[str, Any] = field(default_factory=dict)
    off_the_record: bool = False
    arguments: tuple[str, ...] = ()
    device: str = ""
    own_viewport: bool = False

    @property
    def private(self) -> bool:
        """Whether its windows are private ones."""
        return "private" in self.name


CHROMIUM = Mode("chromium", "chromium")
FIREFOX = Mode("firefox", "firefox")
FIREFOX_PRIVATE = Mode("firefox-private", "firefox", {"browser.privatebrowsing.autostart": True})
MODES = (CHROMIUM, FIREFOX, FIREFOX_PRIVATE)

CHROMIUM_OFF_THE_RECORD = Mode("chromium-off-the-record", "chromium", off_the_record=True)
# As in Tor Browser, and in the private windows of older versions.
FIREFOX_PRIVATE_NO_WORKER = Mode(
    "firefox-private-no-service-worker",
    "firefox",
    {**FIREFOX_PRIVATE.preferences, "dom.serviceWorkers.enabled": False},
)
ALL_MODES = (CHROMIUM, CHROMIUM_OFF_THE_RECORD, FIREFOX, FIREFOX_PRIVATE, FIREFOX_PRIVATE_NO_WORKER)


def with_storage_limit(mode: Mode, kilobytes: int) -> Mode:
    """Returns the mode with a storage limit; in Chromium, set it per tab (`SiteTab.limit_storage`)."""
    if mode.browser != "firefox":
        return mode
    limit = {"dom.quotaManager.temporaryStorage.fixedLimit": kilobytes}
    return replace(mode, name=f"{mode.name}-small-disk", preferences={**mode.preferences, **limit})


def set_up_browsers() -> None:
    """Finds or installs Chromium and Firefox.

    :raises RuntimeError: with a sentence that says what to do, if that fails.
    """
    known = _read_found()
    if known and all(not path or Path(path).exists() for path in known.values()):
        return
    found = {name: _set_up(name) for name in _DEBIAN}
    _FOUND.parent.mkdir(exist_ok=True)
    _FOUND.write_text(json.dumps({"playwright": version("playwright"), "browsers": found}), encoding="ascii")


@contextmanager
def launch_ordinary_chromium(playwright: Playwright, downloads: Path) -> Iterator[BrowserContext]:
    """Launches Chromium with what drivers switch off: its popup blocker, and its cache for back and forward."""
    path = _read_found().get("chromium", "")
    own: dict[str, Any] = {"executable_path": path} if path else {}
    with tempfile.TemporaryDirectory(prefix="authmedia-profile-", ignore_cleanup_errors=True) as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            args=_CHROMIUM_ARGUMENTS,
            ignore_default_args=["--disable-popup-blocking", "--disable-back-forward-cache"],
            headless=headless,
            downloads_path=downloads,
            **own,
        )
        try:
            yield context
        finally:
            context.close()


@contextmanager
def launch_browser(
    mode: Mode, playwright: Playwright, downloads: Path | None = None, trusted_spki: str = ""
) -> Iterator[BrowserContext]:
    """Launches a browser with a temporary profile.

    :param downloads: the download folder.
    :param trusted_spki: SHA-256 of the public key of a certificate to trust, in base64; Firefox then trusts every
        certificate.
    """
    with tempfile.TemporaryDirectory(prefix="authmedia-profile-", ignore_cleanup_errors=True) as profile:
        context = _launch(mode, playwright, profile, _read_found().get(mode.browser, ""), downloads, trusted_spki)
        try:
            yield context
        finally:
            context.close()
            if mode.off_the_record and context.browser:
                context.browser.close()


def _launch(
    mode: Mode, playwright: Playwright, profile: str, path: str, downloads: Path | None = None, trusted_spki: str = ""
) -> BrowserContext:
    if mode.browser == "chromium":
        arguments = [
            *_CHROMIUM_ARGUMENTS,
            *mode.arguments,
            *([f"--ignore-certificate-errors-spki-list={trusted_spki}"] if trusted_spki else []),
        ]
        own: dict[str, Any] = {"executable_path": path} if path else {}
        _write_preferences(mode, Path(profile))
        if mode.off_the_record:  # what Playwright calls a context is, in Chromium, an incognito window's profile
            return playwright.chromium.launch(args=arguments, headless=headless, **own).new_context()
        return playwright.chromium.launch_persistent_context(
            profile, args=arguments, headless=headless, downloads_path=downloads, **own, **_emulated(mode, playwright)
        )
    debian_build: dict[str, Any] = {"channel": "moz-firefox", "executable_path": path} if path else {}
    emulation: dict[str, Any] = _NO_EMULATION if path else {}
    if mode.off_the_record:  # what Playwright calls a context is a container, over WebDriver BiDi
        launched = playwright.firefox.launch(firefox_user_prefs=mode.preferences, headless=headless, **debian_build)
        return launched.new_context(**emulation)
    return playwright.firefox.launch_persistent_context(
        profile,
        firefox_user_prefs=mode.preferences,
        headless=headless,
        downloads_path=downloads,
        ignore_https_errors=bool(trusted_spki),
        no_viewport=mode.own_viewport or None,
        **debian_build,
        **emulation,
    )


def _write_preferences(mode: Mode, profile: Path) -> None:
    """Writes the preferences of a Chromium that has not been started yet."""
    if mode.preferences:
        (profile / "Default").mkdir()
        (profile / "Default" / "Preferences").write_text(json.dumps(mode.preferences), encoding="utf-8")


def _emulated(mode: Mode, playwright: Playwright) -> dict[str, Any]:
    device = playwright.devices[mode.device] if mode.device else {}
    return {name: value for name, value in device.items() if name != "default_browser_type"}


def _read_found() -> dict[str, str]:
    """Returns the paths of known browsers (empty for Playwright's own); none if Playwright's version has changed."""
    try:
        kept = json.loads(_FOUND.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return dict(kept["browsers"]) if kept["playwright"] == version("playwright") else {}


def _set_up(name: str) -> str:
    """Returns the path of a browser that starts; empty for Playwright's own build."""
    package, path = _DEBIAN[name]
    print(f"Looking for {name}", flush=True)
    if _quietly([sys.executable, "-m", "playwright", "install", name]) and _starts(name, ""):
        return ""
    if not Path(path).exists():
        install_package(package)
    if Path(path).exists() and _starts(name, path):
        return path
    raise RuntimeError(
        f"no {name} could be had for the tests: run '.venv/bin/playwright install --with-deps {name}', "
        f"or install your system's package ({package} on Debian), and run again."
    )


def install_package(package: str) -> None:
    """Installs a Debian package, if apt is available and this process may use it."""
    apt = shutil.which("apt-get")
    if not apt or os.geteuid() != 0:
        return
    print(f"Installing {package} (once)", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if _quietly([apt, "update", "-qq"], environment):
        _quietly([apt, "install", "-y", "-qq", "--no-install-recommends", package], environment)


def _starts(name: str, path: str) -> bool:
    mode = next(mode for mode in MODES if mode.browser == name)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        try:
            context = _launch(mode, playwright, profile, path)
            context.pages[0].goto("data:text/html,<h1>here</h1>")
            context.close()
        except Exception as error:  # of any kind: the caller tries the next candidate
            print(f"{path or 'The ' + name + ' of Playwright'} does not start: {error}", flush=True)
            return False
    return True


def _quietly(command: list[str], environment: dict[str, str] | None = None) -> bool:
    """Runs a command without output; returns whether it succeeded."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_INSTALL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
