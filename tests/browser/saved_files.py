"""What the browser saves as a file after a user has asked for it."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.browser.engines import Mode
from tests.browser.site_tab import SiteTab


def saved_file(tab: SiteTab, mode: Mode, path: Path, ask: Callable[[], object]) -> bytes:
    """Returns the file that the browser saves; for the parameters see `save`."""
    saved = save(tab, mode, path, ask)
    content = saved.read_bytes()
    saved.unlink()
    return content


def save(tab: SiteTab, mode: Mode, path: Path, ask: Callable[[], object], size: int = -1, timeout_s: int = 20) -> Path:
    """Returns the path of the file that the browser saves, once it is there.

    A stock Firefox sends no download event over WebDriver BiDi, so its download folder is watched instead.

    :param path: where Firefox saves it; its name is that of the file.
    :param ask: asks for it.
    :param size: its size in bytes; -1 for any but 0.
    """
    if mode.browser == "chromium":
        with tab.page.expect_download(timeout=timeout_s * 1000) as caught:
            ask()
        assert caught.value.suggested_filename == path.name
        return caught.value.path()
    ask()
    deadline = time.monotonic() + timeout_s
    while not _is_complete(path, size):
        assert time.monotonic() < deadline, f"{path.name} was not saved"
        tab.page.wait_for_timeout(50)
    return path


def _is_complete(path: Path, size: int) -> bool:
    """Whether Firefox has saved a file: it makes an empty one first, and another for what it has received."""
    if not path.exists() or list(path.parent.glob("*.part")):
        return False
    found = path.stat().st_size
    return found == size if size >= 0 else found > 0
