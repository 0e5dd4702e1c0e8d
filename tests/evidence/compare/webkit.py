"""Debian's WebKitGTK on a virtual screen, driven by Selenium over WebDriver: a new browser for every tab.

MiniBrowser's sessions are ephemeral under WebDriver, like private windows. `persistent_webkit.py` is a browser whose
storage persists: it needs ``PERSISTENT_PACKAGES``.
"""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import NoSuchWindowException, WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.webkitgtk.options import Options
from selenium.webdriver.webkitgtk.service import Service
from urllib3.exceptions import HTTPError

from tests.browser import pixels
from tests.browser.engines import install_package
from tests.evidence.compare.tabs import SIZE, words_of

PACKAGES = ("webkit2gtk-driver", "xvfb")
PERSISTENT_PACKAGES = ("python3-gi", "gir1.2-webkit2-4.1")
_DRIVER = "WebKitWebDriver"
_BROWSERS = "/usr/lib/*/webkit2gtk-4.*/MiniBrowser"
_SYSTEM_PYTHON = "/usr/bin/python3"
_HAS_BINDINGS = "import gi; gi.require_version('WebKit2', '4.1')"
_PERSISTENT_BROWSER = Path(__file__).with_name("persistent_webkit.py")
_SCRIPT_S = 100
_START_S = 30
_TRIES = 3
_TAB_S = 2.0
_POLL_S = 0.05
# Selenium's scripts get their callback as the last argument.
_CALL = """const [given, done] = arguments;
const called = Promise.resolve().then(() => (%s)(...given));
called.then((value) => done({ value }), (error) => done({ error: String(error) }));"""

_IS_LOADED = "() => location.href !== 'about:blank' && document.readyState === 'complete'"
# Adds a link that opens a tab, in place of an earlier one.
_ADD_LINK = """(url) => {
  document.getElementById("opens-a-tab")?.remove();
  const link = Object.assign(document.createElement("a"), { id: "opens-a-tab", href: url, target: "_blank" });
  link.rel = "opener";
  link.textContent = "In a new tab";
  link.style = "position: fixed; top: 0; left: 0; z-index: 9999";
  document.body.append(link);
}"""


class ScriptFailed(WebDriverException):
    """A script in the page threw an error."""


def browser_path() -> str:
    """Returns the browser's path, and installs it if possible; empty if there is none."""
    found = _find()
    if not found:
        for package in PACKAGES:
            install_package(package)
        found = _find()
    return found if shutil.which(_DRIVER) and shutil.which("Xvfb") else ""


def has_persistent_browser() -> bool:
    """Returns whether the system's Python has WebKitGTK's bindings, and installs them if possible."""
    if not _has_bindings():
        for package in PERSISTENT_PACKAGES:
            install_package(package)
    return _has_bindings()


def _has_bindings() -> bool:
    if not Path(_SYSTEM_PYTHON).exists():
        return False
    return subprocess.run([_SYSTEM_PYTHON, "-c", _HAS_BINDINGS], capture_output=True, check=False).returncode == 0


def _find() -> str:
    return next((str(path) for path in Path("/").glob(_BROWSERS.lstrip("/"))), "")


@contextmanager
def virtual_screen() -> Iterator[str]:
    """Starts a virtual screen (Xvfb); yields its name for ``DISPLAY``."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as screen:
        os.close(writing)
        try:
            with os.fdopen(reading) as pipe:
                yield f":{pipe.readline().strip()}"
        finally:
            screen.terminate()


class WebKitTab:
    """A tab that Selenium drives."""

    def __init__(self, driver: webdriver.WebKitGTK) -> None:
        self._driver = driver
        driver.set_window_size(*SIZE)
        driver.set_script_timeout(_SCRIPT_S)

    @property
    def version(self) -> str:
        """The browser's version."""
        return str(self._driver.capabilities.get("browserVersion", ""))

    def open(self, url: str) -> None:
        self._driver.get(url)

    def evaluate(self, function: str, *arguments: Any) -> Any:
        answer = self._driver.execute_async_script(_CALL % function, list(arguments))
        if "error" in answer:
            raise ScriptFailed(answer["error"])
        return answer.get("value")

    def click(self, selector: str) -> None:
        """Clicks an element as a user does."""
        self._driver.find_element(By.CSS_SELECTOR, selector).click()

    def evaluate_in_new_tab(self, url: str, function: str) -> Any:
        """Opens a URL in a new tab, as a link of the page that a user clicks, and calls a function there.

        :returns: its result once the tab has loaded; ``None`` if none does, as for a download.
        """
        return self._read_new_tab(url, lambda: self.evaluate(function) if self.evaluate(_IS_LOADED) else None)

    def titles_of_new_tab(self, url: str) -> list[str]:
        """Opens a URL as `evaluate_in_new_tab` does; returns the titles that the tab has within two seconds."""
        titles: list[str] = []
        self._read_new_tab(url, lambda: titles.append(self._driver.title))
        return titles

    def _read_new_tab(self, url: str, read: Callable[[], Any]) -> Any:
        """Opens a URL in a new tab, and reads there until the result is not ``None``."""
        first = self._driver.current_window_handle
        self.evaluate(_ADD_LINK, url)
        self.click("#opens-a-tab")
        deadline = time.monotonic() + _TAB_S
        found = None
        while time.monotonic() < deadline and found is None:
            time.sleep(_POLL_S)
            for handle in [handle for handle in self._driver.window_handles if handle != first]:
                with suppress(WebDriverException):
                    self._driver.switch_to.window(handle)
                    found = read()
        for handle in [handle for handle in self._driver.window_handles if handle != first]:
            with suppress(NoSuchWindowException):
                self._driver.switch_to.window(handle)
                self._driver.close()
        self._driver.switch_to.window(first)
        return found

    def drag(self, selector: str) -> None:
        """Presses the mouse on an element, moves it, and releases it."""
        element = self._driver.find_element(By.CSS_SELECTOR, selector)
        moves = ActionChains(self._driver).move_to_element(element).click_and_hold()
        moves.move_by_offset(10, 10).move_by_offset(30, 20).release().perform()

    def go_back(self) -> None:
        """Goes back to the page before."""
        self._driver.back()

    def screenshot(self) -> Image.Image:
        return pixels.decode_screenshot(self._driver.get_screenshot_as_png())


def _started(program: tuple[str, ...], display: str) -> webdriver.WebKitGTK:
    """Starts the browser; if it does not start in time, kills it and tries again."""
    options = Options()
    options.binary_location, *arguments = program
    for argument in arguments:
        options.add_argument(argument)
    problem = ""
    for _ in range(_TRIES):
        # Selenium looks for the driver when it is imported, which may be before the driver was installed.
        service = Service(shutil.which(_DRIVER), env={**os.environ, "DISPLAY": display})
        watch = threading.Timer(_START_S, service.stop)
        watch.start()
        try:
            return webdriver.WebKitGTK(options=options, service=service)
        except (WebDriverException, HTTPError, OSError) as error:  # OSError: the driver was killed while it answered
            problem = words_of(error)
        finally:
            watch.cancel()
    raise WebDriverException(f"WebKitGTK did not start in {_TRIES} tries: {problem}")


@contextmanager
def _tab(program: tuple[str, ...], display: str) -> Iterator[WebKitTab]:
    driver = _started(program, display)
    try:
        yield WebKitTab(driver)
    finally:
        driver.quit()


def webkit_tab(path: str, display: str) -> AbstractContextManager[WebKitTab]:
    """Starts MiniBrowser with one tab, in an ephemeral session, and quits it afterwards."""
    return _tab((path, "--automation"), display)


def persistent_tab(profile: Path, display: str, features: tuple[str, ...] = ()) -> AbstractContextManager[WebKitTab]:
    """Starts a browser with one tab whose storage persists in a folder, and quits it afterwards.

    :param features: identifiers of WebKit's features to switch on.
    """
    return _tab((_SYSTEM_PYTHON, str(_PERSISTENT_BROWSER), str(profile), *features), display)
