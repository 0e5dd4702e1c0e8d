"""Both interpreters import every module of the library and of the demo, and their event loops do the same."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext

from tests.bodies import WHOLE
from tests.browser.engines import CHROMIUM
from tests.browser.page_builder import build_site_with_page
from tests.browser.site_tab import SiteTab
from web.server import SiteServer
from web.site import PYAPP, build

# Imports all modules, computes HMACs with WebCrypto, checks bodies for completeness, and writes the results.
EVERY = """
import asyncio
import json
from pyscript import ffi, window
from authmedia import browser
from authmedia.browser import resource_timing
from authmedia.transport.completeness import is_complete
names = {names!r}
for name in names:
    __import__(name)
async def main():
    page = browser.document_element()
    digests = []
    for number in range({count}):
        digests.append(await browser.hmac_sha256("a key", str(number)))
    ends = []
    resource_timing._BUFFER_ENTRIES = 10
    browser.resource_timing_generation()
    bodies = browser.page_url().rsplit("/", 1)[0] + "/bodies/"
    for number in range({bodies}):
        body = await (await browser.fetch(bodies + str(number))).blob()
        ends.append(await is_complete(body))
    part = window.Blob.new(ffi.to_js([window.Uint8Array.new(50_000_000)]))
    huge = browser.Blob(window.Blob.new(ffi.to_js([part] * 100)))
    rest = await huge.read_bytes(huge.size - 3, 9)
    page.set_attribute("data-huge", str(huge.size) + " " + str(len(rest)) + " " + str(huge.slice(9, "").size))
    await browser.yield_to_browser()
    page.set_attribute("data-emptied", str(browser.resource_timing_generation()))
    page.set_attribute("data-listed", str(browser.resource_timings(bodies + "{last}").entries))
    page.query("#report").text = json.dumps([digests, ends])
    page.set_attribute("data-imported", str(len(names)))
    page.set_attribute("data-state", "done")
asyncio.create_task(main())
"""
# Loads by the public names alone, and says which modules that took.
PUBLIC = """
import asyncio
import json
import sys
from authmedia import Homeserver, MediaRequest, bind, document_element, open_loader
async def main():
    page = document_element()
    loader = open_loader("blob", Homeserver("http://home.test", "@ana:example.org", "token"))
    support = await loader.support()
    binder = bind(page, loader)
    request = MediaRequest("mxc://example.org/abc")
    loaded = [name for name in sys.modules if name.startswith("authmedia.")]
    page.query("#report").text = json.dumps([support.works, len(binder.bindings), request.key, loaded])
    binder.close()
    loader.close()
    page.set_attribute("data-state", "done")
asyncio.create_task(main())
"""
# Calls a Python function that returns a promise, and allocates enough for some garbage collections on the way.
RETURNED = """async () => {
  const { url } = JSON.parse(document.getElementById("boot").textContent).interpreters.micropython;
  const { loadMicroPython } = await import(new URL(url, location.href));
  const micropython = await loadMicroPython({ heapsize: 256 * 1024 });
  globalThis.newPromise = () => (globalThis.expected = Promise.resolve());
  micropython.runPython(`
import js
class Holder:
    def __init__(self):
        self.created = [js.newPromise()]
    def promise(self):
        rubbish = [bytearray(200) for _ in range(20)]
        return js.expected
js.globalThis.promiseFromPython = lambda: Holder().promise()
`);
  let others = 0;
  for (let call = 0; call < 10_000; call++) others += promiseFromPython() !== globalThis.expected;
  return others;
}"""
PAIRS = (("chromium", "micropython"), ("chromium", "pyodide"))
# Enough for digests with every byte value, zero included.
DIGESTS = 100
_DRAWN = [draw() for draw in WHOLE.values()]
# Bodies, and whether they are complete: images and videos, halves of them, and with trailing bytes.
BODIES = [
    *((body, True) for body in _DRAWN),
    *((body[: len(body) // 2], False) for body in _DRAWN),
    *((WHOLE[name]() + b"\xff" * 5000, True) for name in ("PNG", "JPEG", "JPEG with a thumbnail")),
    (b"plain text", True),
]


@pytest.fixture(scope="session")
def names() -> list[str]:
    """Names of all modules but those with tests of their own: pages, which start when imported, and `authmedia-js`."""
    paths = [path.relative_to(PYAPP).with_suffix("") for path in sorted(PYAPP.rglob("*.py"))]
    names = [".".join(path.parts) for path in paths if path.parts[0] != "pages" and path.name != "__init__"]
    return [name for name in names if name not in ("javascript_api", "authmedia.browser.micropython")]


@pytest.fixture(scope="module")
def site(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The site with three additional pages that contain all modules."""
    folder = tmp_path_factory.mktemp("every")
    build(folder / "built")
    source = EVERY.format(names=names, count=DIGESTS, bodies=len(BODIES), last=len(BODIES) - 1)
    every = build_site_with_page(folder / "built", folder / "every", "every", source)
    public = build_site_with_page(every, folder / "public", "public", PUBLIC)
    out = build_site_with_page(public, folder / "site", "event_loop")
    (out / "bodies").mkdir()
    for number, (body, _) in enumerate(BODIES):
        (out / "bodies" / str(number)).write_bytes(body)
    server = SiteServer(out, 0)
    server.start()
    yield server.url
    server.stop()


@pytest.mark.parametrize("mode", [CHROMIUM], ids=lambda mode: mode.name, indirect=True, scope="session")
def test_every_module_is_imported(browser: BrowserContext, site: str, names: list[str], interpreter: str) -> None:
    tab = SiteTab(browser, site)
    tab.open("every", interpreter=interpreter)
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    assert tab.page.locator("html").get_attribute("data-imported") == str(len(names))
    assert "authmedia.strategies.opfs" in names
    digests, ends = json.loads(tab.page.locator("#report").text_content() or "[]")
    assert ends == [whole for _, whole in BODIES]
    assert int(tab.page.locator("html").get_attribute("data-emptied") or 0) > 0, "of ten loads at a time"
    assert tab.page.locator("html").get_attribute("data-listed") == "1"
    huge = tab.page.locator("html").get_attribute("data-huge")
    assert huge == "5000000000 3 4999999991", "numbers of 2^31 and more wrap on MicroPython"
    assert digests == [hmac_sha256("a key", str(number)) for number in range(DIGESTS)]
    tab.close()


@pytest.mark.parametrize("mode", [CHROMIUM], ids=lambda mode: mode.name, indirect=True, scope="session")
def test_the_public_names_are_imported_with_nothing_more(browser: BrowserContext, site: str, interpreter: str) -> None:
    tab = SiteTab(browser, site)
    tab.open("public", interpreter=interpreter)
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    works, bound, key, loaded = json.loads(tab.page.locator("#report").text_content() or "[]")
    assert (works, bound, key) == (True, 0, "mxc://example.org/abc")
    assert {"authmedia.loader", "authmedia.elements.binder", "authmedia.strategies.blob"} <= set(loaded)
    assert not {"authmedia.strategies.opfs", "authmedia.transport.link_client"} & set(loaded)
    of_micropython = [url for url in tab.requests if "micropython" in url.partition("?")[0]]
    assert bool(of_micropython) is (interpreter == "micropython"), "the other interpreter is not preloaded"
    tab.close()


@pytest.mark.parametrize("mode", [CHROMIUM], ids=lambda mode: mode.name, indirect=True, scope="session")
def test_the_event_loop_keeps_time_and_order(browser: BrowserContext, site: str, interpreter: str) -> None:
    tab = SiteTab(browser, site)
    tab.open("event_loop", interpreter=interpreter)
    measured = json.loads(tab.page.locator("#report").text_content() or "{}")
    assert measured["order"] == ["new 1", "new 2", "yielded", "waiting 1", "waiting 2"]
    assert measured["cancel"] == ["waits", "sleeps"]
    assert measured["lock"] == [0, 1, 2, 3]
    assert 49 <= measured["sleep_after_another_blocked"] < 500
    assert 49 <= measured["time_out_beside_busy_tasks"] < 1000
    slept_ms, calls = measured["sleep_beside_longer_sleep"]
    assert 98 <= slept_ms < 1000
    assert calls > 5
    assert measured["wake_after_idling"] < 200
    tab.close()


@pytest.mark.parametrize("mode", [CHROMIUM], ids=lambda mode: mode.name, indirect=True, scope="session")
def test_an_object_that_a_callback_returns_survives_garbage_collection(browser: BrowserContext, site: str) -> None:
    tab = SiteTab(browser, site)
    tab.open("public")
    assert tab.page.evaluate(RETURNED) == 0, "of 10,000 promises another object arrived"
    tab.close()


def hmac_sha256(key: str, text: str) -> str:
    digest = hmac.digest(key.encode(), text.encode(), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")
