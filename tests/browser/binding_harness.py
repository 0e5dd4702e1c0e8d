"""Harness for tests of bound elements: the page ``binding`` behind a throttling proxy, and media to show on it."""

import hashlib
import json
import mimetypes
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext

from development.synapse import Synapse
from tests.browser.matrix_room import Room, picture
from tests.browser.site_tab import SiteTab
from tests.browser.throttling_proxy import ThrottlingProxy
from web.server import Application, Server, site_application

# The demonstration's committed media.
MEDIA = Path(__file__).resolve().parents[2] / "web" / "media"
# Lists the names of all media files in OPFS. While the index is written, Chromium lists `index.json.crswap` as well.
LIST_OPFS_FILES = """async () => {
  const found = [];
  const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle("authmedia");
  for await (const [name, { kind }] of directory) {
    if (kind === "file" && !name.startsWith("index.json")) found.push(name);
  }
  return found;
}"""
# Adds elements to the document: their tag, their attributes, and the gap between them in pixels.
ADD = """([tag, attributes, gap]) => {
  for (const given of attributes) {
    const place = document.createElement("div");
    place.style.height = `${gap}px`;
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
    place.append(element);
    document.getElementById("elements").append(place);
  }
}"""


# Whether all elements of a selector, or so many of them, are in a state.
ARE_IN_STATE = """([selector, state, count]) => {
  const all = [...document.querySelectorAll(selector)];
  const good = all.filter((element) => element.dataset.state === state).length;
  return all.length > 0 && good === (count ?? all.length);
}"""
# Reads `shown`, or what the user reads in its place, by the element's label.
OUTCOMES = """() => Object.fromEntries([...document.querySelectorAll("[data-label]")].map((element) => {
  const view = element.nextElementSibling;
  const words = view?.className === "media-failed" ? view.firstChild.textContent : element.dataset.state;
  return [element.dataset.label, words];
}))"""
# Has elements show files by object URLs of their types, without the library; resolves to the names of those shown.
_SHOWN_BY_ELEMENTS = """async (files) => {
  const shows = async ([name, tag, content, type]) => {
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    const element = document.createElement(tag);
    const event = { img: "load", video: "loadeddata", audio: "loadedmetadata" }[tag];
    const ended = new Promise((resolve) => {
      element.addEventListener(event, () => resolve([name]));
      element.addEventListener("error", () => resolve([]));
      setTimeout(resolve, 10_000, []);
    });
    element.src = URL.createObjectURL(new Blob([bytes], { type }));
    document.body.append(element);
    return ended;
  };
  return (await Promise.all(files.map(shows))).flat();
}"""
# Whether each element with a label is shown or failed.
ARE_SETTLED = """() => [...document.querySelectorAll("[data-label]")].every(
  (element) => ["shown", "failed"].includes(element.dataset.state))"""


def shown_by_elements(evaluate: Callable[[str, Any], Any], files: Iterable[tuple[str, str, bytes, str]]) -> list[str]:
    """Returns the names of the files that elements show without the library.

    :param evaluate: calls a JavaScript function in the page.
    :param files: name, tag, content and declared type of each.
    """
    encoded = [(name, tag, b64encode(content).decode(), declared) for name, tag, content, declared in files]
    shown: list[str] = evaluate(_SHOWN_BY_ELEMENTS, encoded)
    return shown


class MediaSet:
    """A room with uploaded media, and the SHA-256 of each."""

    def __init__(self, synapse: Synapse, user: str, count: int) -> None:
        self.room = Room(synapse, user)
        self.sha256: dict[str, str] = {}
        for number in range(count):
            self.upload(picture(number * 255 // count), "image/png")
        self.pictures = list(self.sha256)

    def upload(self, content: bytes, content_type: str) -> str:
        """Uploads media; returns its ``mxc://`` URI."""
        mxc = self.room.upload(content, content_type)
        self.sha256[mxc] = hashlib.sha256(content).hexdigest()
        return mxc

    def upload_file(self, name: str) -> str:
        """Uploads a file of `MEDIA` under its name."""
        content = (MEDIA / name).read_bytes()
        mxc = self.room.upload(content, mimetypes.guess_type(name)[0] or "", name)
        self.sha256[mxc] = hashlib.sha256(content).hexdigest()
        return mxc


class BindingHarness:
    """A site with the page ``binding``, and a homeserver behind a throttling proxy."""

    def __init__(self, application: Application, context: BrowserContext, proxy: ThrottlingProxy) -> None:
        self.proxy = proxy
        self._context = context
        self._server = Server(application, 0)
        self._server.start()
        self._windows: list[SiteTab] = []

    def open(
        self, strategy: str, beside: SiteTab | None = None, script: str = "", page: str = "binding", **query: str
    ) -> SiteTab:
        """Opens the page in a new tab.

        :param beside: a tab whose origin to share.
        :param script: an initialization script that runs before the page's own.
        :param page: the name of the page.
        """
        tab = SiteTab(self._context, self._server.url, beside.origin if beside else "")
        self._windows.append(tab)
        if script:
            tab.page.add_init_script(script)
        tab.open(page, strategy=strategy, **query)
        assert tab.state == "done", tab.page.locator("#problem").inner_text()
        return tab

    def close(self) -> None:
        """Closes the tabs and stops the site's server."""
        self.proxy.release_all()
        for tab in self._windows:
            tab.close()
        self._server.stop()


@contextmanager
def binding_harness(
    site: Path,
    context: BrowserContext,
    synapse: Synapse,
    told: dict[str, str],
    adapt: Callable[[Application], Application] = lambda application: application,
) -> Iterator[BindingHarness]:
    """Starts a harness for one test.

    :param told: content of ``demo.json``: the account, a second one, encrypted files.
    :param adapt: returns the site's server in another form.
    """
    with ThrottlingProxy(synapse.base_url) as proxy:
        application = adapt(site_application(site, {**told, "homeserver": proxy.address()}))
        opened = BindingHarness(application, context, proxy)
        try:
            yield opened
        finally:
            opened.close()


def add_elements(tab: SiteTab, mxcs: list[str], tag: str = "img", gap: int = 0, **attributes: str) -> None:
    """Adds an element for each ``mxc://`` URI to the document."""
    tab.page.evaluate(ADD, arguments_to_add(mxcs, tag, gap, attributes))


def arguments_to_add(mxcs: list[str], tag: str, gap: int, attributes: Mapping[str, str]) -> list[object]:
    """Returns the argument of `ADD` for an element for each ``mxc://`` URI, of which all have the same attributes."""
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    return [tag, [{"data-mxc": mxc, **named} for mxc in mxcs], gap]


def press(tab: SiteTab, button: str) -> None:
    """Presses a button of the page, whatever stands before it."""
    tab.page.eval_on_selector(button, "(button) => button.click()")


def read_counters(tab: SiteTab, which: int = 0) -> dict[str, int]:
    """Returns a loader's current counters."""
    tab.page.eval_on_selector("html", "(html) => { delete html.dataset.counted; }")
    press(tab, "#count")
    tab.page.wait_for_selector("html[data-counted]", state="attached")
    found: dict[str, Any] = tab.report["counters"][which]
    return {**found, "urls": tab.report["urls"]}


def wait_for_state(tab: SiteTab, selector: str, state: str = "shown", count: int | None = None) -> None:
    """Waits until all elements of a selector, or ``count`` of them, are in a state."""
    tab.page.wait_for_function(ARE_IN_STATE, arg=[selector, state, count], timeout=20_000)


def to_json(value: object) -> str:
    """Encodes a value for ``demo.json``."""
    return json.dumps(value)
