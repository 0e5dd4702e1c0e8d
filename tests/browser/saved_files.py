"""What the browser saves as a file after a user has asked for it."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.browser.engines import Mode
from tests.browser.site_tab import SiteTab


def saved_file(tab: SiteTab, mode: Mode, path: Path, ask: Callable[[], object]) -> bytes:
    """Returns the file that the browser saves.

    A stock Firefox sends no download event over WebDriver BiDi, so its download folder is watched instead.

    :param path: where Firefox saves it; its name is that of the file.
    :param ask: asks for it.
    """
    if mode.browser == "chromium":
        with tab.page.expect_download() as caught:
            ask()
        assert caught.value.suggested_filename == path.name
        return caught.value.path().read_bytes()
    ask()
    deadline = time.monotonic() + 20
    while not path.exists() or not path.stat().st_size:
        assert time.monotonic() < deadline, f"{path.name} was not saved"
        tab.page.wait_for_timeout(50)
    content = path.read_bytes()
    path.unlink()
    return content
