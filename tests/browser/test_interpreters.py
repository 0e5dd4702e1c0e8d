"""One source, two interpreters: every module of the library and of the demo is imported by both."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.engines import CHROMIUM
from tests.browser.workshop import with_page
from tests.conftest import OpenWindow
from web.server import SiteServer
from web.site import PYAPP

# Imports them all, computes what WebCrypto is for, and says so on the page, which is all that this page does.
EVERY = """
import asyncio
import json
from authmedia import browser
names = {names!r}
for name in names:
    __import__(name)
async def main():
    page = browser.root()
    digests = []
    for number in range({count}):
        digests.append(await browser.hmac_sha256("a key", str(number)))
    page.find("#report").text = json.dumps(digests)
    page.set("data-imported", str(len(names)))
    page.set("data-state", "done")
asyncio.create_task(main())
"""
PAIRS = (("chromium", "micropython"), ("chromium", "pyodide"))
# Enough that some have a byte of every value in them, zero included.
DIGESTS = 100


@pytest.fixture(scope="session")
def names() -> list[str]:
    """All modules but the pages, which start working when they are imported, as every page's own test sees."""
    paths = [path.relative_to(PYAPP).with_suffix("") for path in sorted(PYAPP.rglob("*.py"))]
    return [".".join(path.parts) for path in paths if path.parts[0] != "pages" and path.name != "__init__"]


@pytest.fixture(scope="session")
def site(
    state: Path, demonstration: object, names: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The built site, whose page `blob` has all of the Python."""
    source = EVERY.format(names=names, count=DIGESTS)
    out = with_page(state / "site", tmp_path_factory.mktemp("every") / "site", "every", source)
    server = SiteServer(out, 0)
    server.start()
    yield server.url
    server.stop()


@pytest.mark.parametrize("mode", [CHROMIUM], ids=lambda mode: mode.name, indirect=True, scope="session")
def test_every_module_is_imported(open_window: OpenWindow, site: str, names: list[str], interpreter: str) -> None:
    window = open_window(site)
    window.open("every", interpreter=interpreter)
    assert window.state == "done", window.page.locator("#problem").inner_text()
    assert window.page.locator("html").get_attribute("data-imported") == str(len(names))
    assert "authmedia.strategies.opfs" in names
    digests = json.loads(window.page.locator("#report").text_content() or "[]")
    assert digests == [hmac_sha256("a key", str(number)) for number in range(DIGESTS)]


def hmac_sha256(key: str, text: str) -> str:
    digest = hmac.digest(key.encode(), text.encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")
