"""The environment of fault injection: a homeserver with images, a faulty proxy and a page to load them."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image
from playwright.sync_api import BrowserContext
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from development.synapse import Synapse
from tests.browser.binding_harness import add_elements
from tests.browser.matrix_room import Room
from tests.browser.page_builder import build_site_with_page
from tests.browser.site_tab import SiteTab
from tests.evidence.faults.faulty_proxy import FaultyProxy
from tests.relay import free_port
from web.server import SiteServer
from web.site import build

_SIZE = (96, 64)
# Half of it: small enough for a bundle.
_THUMBNAIL = {"data_width": "48", "data_height": "32", "data_method": "crop"}
# Time limit for all of a page's media to be shown or to fail; a load that takes longer counts as hung.
_LONGEST_MS = 240_000
# Seconds after which the page gives up on a silent server (by default it takes a minute), and the rate at which a
# body of unknown size must arrive at the least, which limits how long an image may take.
_PATIENCE_S = "3"
_MIN_BYTES_PER_S = 50_000
# How often it is looked again if one is loading meanwhile: those that failed for want of a network do so by themselves.
_MAX_LOOKS = 3
_SETTLED = """() => {
  const all = [...document.querySelectorAll("#elements img")];
  return all.every((element) => ["shown", "failed"].includes(element.dataset.state));
}"""
# Reads what each element shows: the hash of its pixels, or the message in its place; without the words by which it says
# that it waits for the network.
_SEEN = """() => Promise.all([...document.querySelectorAll("#elements img")].map(async (image) => {
  const { mxc, state, source } = image.dataset;
  const words = image.nextElementSibling?.firstChild.textContent ?? "";
  if (state !== "shown") return { mxc, state, words: words.replace(" Waiting for the network.", "") };
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", pixels));
  return { mxc, state, source, pixels: [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
}))"""
_RETRY = """() => document.querySelectorAll("#elements .media-retry").forEach((button) => button.click())"""
# A clock that can be set while the page runs.
_CLOCK = """(() => {
  const now = Date.now.bind(Date);
  let ahead = 0;
  window.setClock = (ms) => { ahead = ms; };
  Date.now = () => now() + ahead;
})()"""
_EMPTY = """() => document.getElementById("elements").replaceChildren()"""


@dataclass
class LoadOutcomes:
    """Outcomes of a page's loads.

    :param shown: number of elements with the right image; ``wrong``: those with another or a partial one, by strategy.
    :param failed: number of failures by message; ``hung``: number of loads that did not end.
    :param from_disk: number of those shown that were read from disk.
    """

    shown: int = 0
    wrong: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    hung: int = 0
    from_disk: int = 0

    @property
    def loads(self) -> int:
        """Number of loads."""
        return self.shown + sum(self.wrong.values()) + sum(self.failed.values()) + self.hung

    def add(self, other: "LoadOutcomes") -> None:
        """Adds the outcomes of other loads."""
        self.shown += other.shown
        self.hung += other.hung
        self.from_disk += other.from_disk
        for mine, others in ((self.wrong, other.wrong), (self.failed, other.failed)):
            for name, count in others.items():
                mine[name] = mine.get(name, 0) + count


class LoadingTab:
    """A tab with the page ``binding``."""

    def __init__(self, site_tab: SiteTab, strategy: str, pixels: dict[str, str], min_rate: int) -> None:
        self.site_tab = site_tab
        self._strategy = strategy
        self._pixels = pixels
        # Bundles contain thumbnails only.
        self._form = _THUMBNAIL if strategy == "bundle" else {}
        site_tab.page.add_init_script(_CLOCK)
        site_tab.open("binding", strategy=strategy, patience=_PATIENCE_S, min_rate=str(min_rate))
        assert site_tab.state == "done", site_tab.page.locator("#problem").inner_text()

    def add(self, mxcs: list[str]) -> None:
        """Adds an element for each media to the page."""
        add_elements(self.site_tab, mxcs, "img", 0, **self._form)

    def wait_for(self, shown: int) -> None:
        """Waits until at least so many are shown."""
        self.site_tab.page.wait_for_function(
            "(shown) => document.querySelectorAll('#elements img[data-state=shown]').length >= shown",
            arg=shown,
            timeout=_LONGEST_MS,
        )

    def settle(self) -> LoadOutcomes:
        """Waits until each is shown or failed; returns the outcomes."""
        for _ in range(_MAX_LOOKS):
            with suppress(PlaywrightTimeout):  # those that hang are counted
                self.site_tab.page.wait_for_function(_SETTLED, timeout=_LONGEST_MS)
            seen = LoadOutcomes()
            for element in self.site_tab.page.evaluate(_SEEN):
                self._judge(element, seen)
            if not seen.hung:
                break
        return seen

    def retry(self) -> LoadOutcomes:
        """Clicks all buttons to try again; returns the outcomes of all media then."""
        self.site_tab.page.evaluate(_RETRY)
        return self.settle()

    def empty(self) -> None:
        """Removes all elements."""
        self.site_tab.page.evaluate(_EMPTY)

    def console_lines(self, words: str) -> list[str]:
        """Returns the console's lines that contain these words."""
        return [line for line in self.site_tab.console_messages if words in line]

    def _judge(self, element: dict[str, Any], seen: LoadOutcomes) -> None:
        if element["state"] == "failed":
            seen.add(LoadOutcomes(failed={element["words"]: 1}))
        elif element["state"] != "shown":
            seen.hung += 1
        elif element["pixels"] == self._pixels[element["mxc"]]:
            seen.shown += 1
            seen.from_disk += element["source"] == "disk"
        else:
            seen.add(LoadOutcomes(wrong={self._strategy: 1}))


class FaultEnvironment:
    """A homeserver with pictures, a relay in front of it, and the site.

    :param count: number of the images.
    :param min_rate: see `fault_environment`.
    """

    def __init__(self, synapse: Synapse, proxy: FaultyProxy, site: Path, count: int, min_rate: int) -> None:
        self.synapse = synapse
        self._min_rate = min_rate
        self.proxy = proxy
        self._room = Room(synapse, "faults")
        self._pixels: dict[str, str] = {}
        self._thumbnails: dict[str, str] = {}
        for number in range(count):
            image = Image.frombytes("RGB", _SIZE, Random(f"picture {number}").randbytes(_SIZE[0] * _SIZE[1] * 3))
            file = io.BytesIO()
            image.save(file, "PNG")
            mxc = self._room.upload(file.getvalue(), "image/png")
            self._pixels[mxc] = _digest(image)
            self._thumbnails[mxc] = _digest(Image.open(io.BytesIO(self._room.thumbnail(mxc, 48, 32, "crop"))))
        self.server = SiteServer(site, 0, {**self._room.account, "homeserver": proxy.url})

    @property
    def pictures(self) -> list[str]:
        """``mxc://`` URIs of the images."""
        return list(self._pixels)

    def tab(self, context: BrowserContext, strategy: str, beside: LoadingTab | None = None) -> LoadingTab:
        """Opens a new tab.

        :param beside: a tab whose origin to share.
        """
        site_tab = SiteTab(context, self.server.url, beside.site_tab.origin if beside else "")
        pixels = self._thumbnails if strategy == "bundle" else self._pixels
        return LoadingTab(site_tab, strategy, pixels, self._min_rate)

    def close(self) -> None:
        """Stops the site's server and closes the client of the room."""
        self.server.stop()
        self._room.close()


def _digest(image: Image.Image) -> str:
    """Returns the hash of an image's pixels as a canvas has them."""
    return hashlib.sha256(image.convert("RGBA").tobytes()).hexdigest()


@contextmanager
def fault_environment(folder: Path, count: int, min_rate: int = _MIN_BYTES_PER_S) -> Iterator[FaultEnvironment]:
    """Starts a homeserver with images, the proxy and the site; stops them afterwards.

    :param count: number of the images.
    :param min_rate: bytes a second; the page gives up on an image that arrives more slowly.
    """
    build(folder / "plain")
    site = build_site_with_page(folder / "plain", folder / "site", "binding")
    with Synapse(folder / "homeserver", free_port()) as synapse, FaultyProxy(synapse.port) as proxy:
        environment = FaultEnvironment(synapse, proxy, site, count, min_rate)
        environment.server.start()
        try:
            yield environment
        finally:
            environment.close()
