"""The benchmark's page ``library``: binds the images in ``#bench`` by the strategy of the parameter ``strategy``."""

import gc

from authmedia import browser
from authmedia.elements.binder import bind
from authmedia.loader import open_loader
from authmedia.media import MediaRequest
from authmedia.transport.link_signer import LinkKey
from demo.page import Page

# A key as the homeserver issues it, with a handle as long as that of a user id of thirty characters.
ISSUED = {
    "key": "5f" * 32,
    "key_id": "2026-11",
    "session": "s" * 171,
    "expires_ts": 1_795_525_729_830,
    "expires_in_ms": 14_329_000,
    "renew_in_ms": 10_729_000,
    "base_url": "https://matrix.example.org",
}


class LibraryPage(Page):
    """Binds the element ``#bench``."""

    def __init__(self):
        super().__init__("library")
        self.loader = None
        self.binder = None

    async def work(self, session):
        """Opens the loader and binds; the benchmark adds the images."""
        self.root.query(".columns").remove()
        place = browser.create_element("div", id="bench")
        self.root.query("#main").append(place)
        self.loader = open_loader(browser.query_parameter("strategy"), session.homeserver)
        # Once, as on every page; the rows about start-up measure its cost.
        await self.loader.support()
        self.binder = bind(place, self.loader, near_px=None)
        if self.loader.name == "delegated":
            button = browser.create_element("button", id="sign", type="button")
            button.listen("click", self.tell_signing_time)
            self.root.query("body").append(button)
        button = browser.create_element("button", id="heap", type="button")
        button.listen("click", self.tell_heap)
        self.root.query("body").append(button)

    def tell_signing_time(self):
        """Writes the microseconds that signing one link takes: the least of several rounds, as `timeit` has it."""
        key = LinkKey(ISSUED, browser.epoch_ms())
        request = MediaRequest("mxc://matrix.example.org/sLDvNcCvkwMOpbuPKszCpFVg", width=96, height=96, method="crop")
        rounds = []
        for _ in range(20):
            started_ms = browser.now_ms()
            for _ in range(100):
                key.sign(request, 0)
            rounds.append((browser.now_ms() - started_ms) * 10)
        self.root.set_attribute("data-signing-us", str(min(rounds)))

    def tell_heap(self):
        """Writes the size of Python's heap in bytes."""
        gc.collect()
        self.root.set_attribute("data-heap", str(gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0))


LibraryPage().open()
