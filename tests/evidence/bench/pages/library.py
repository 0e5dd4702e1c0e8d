"""The benchmark's page ``library``: binds the images in ``#bench`` by the strategy of the parameter ``strategy``."""

import asyncio
import gc
import sys

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


class CountedCoroutine:
    """Counts how often MicroPython's event loop resumes a task."""

    __slots__ = ("_coroutine", "_counts")

    def __init__(self, coroutine, counts):
        self._coroutine = coroutine
        self._counts = counts

    def send(self, value):
        self._counts["steps"] += 1
        return self._coroutine.send(value)

    def throw(self, *exception):
        self._counts["steps"] += 1
        return self._coroutine.throw(*exception)

    def close(self):
        self._coroutine.close()


def count_tasks():
    """Returns the numbers of tasks and of their steps from now on, on MicroPython."""
    counts = {"tasks": 0, "steps": 0}
    create_task = asyncio.create_task

    def counted(coroutine):
        counts["tasks"] += 1
        return create_task(CountedCoroutine(coroutine, counts))

    sys.modules["asyncio.core"].create_task = asyncio.create_task = counted
    return counts


class LibraryPage(Page):
    """Binds the element ``#bench``."""

    def __init__(self):
        super().__init__("library")
        self.loader = None
        self.binder = None
        self.counts = {}

    async def work(self, session):
        """Opens the loader and binds; the benchmark adds the images."""
        self.root.query(".columns").remove()
        place = browser.create_element("div", id="bench")
        self.root.query("#main").append(place)
        self.loader = open_loader(browser.query_parameter("strategy"), session.homeserver)
        # Once, as on every page; the rows about start-up measure its cost. It makes connections and preflights.
        if not browser.query_parameter("new"):
            await self.loader.support()
        self.binder = bind(place, self.loader, near_px=None)
        if self.loader.name == "delegated":
            self.add_button("sign", self.tell_signing_time)
        if browser.query_parameter("tasks"):
            self.counts = count_tasks()
            self.add_button("tasks", self.tell_tasks)
        self.add_button("heap", self.tell_heap)

    def add_button(self, name, listener):
        """Adds a button for the benchmark."""
        button = browser.create_element("button", id=name, type="button")
        button.listen("click", listener)
        self.root.query("body").append(button)

    def tell_signing_time(self):
        """Writes the microseconds that signing one link takes: the least of several rounds, as `timeit` has it."""
        key = LinkKey(ISSUED, browser.epoch_ms())
        request = MediaRequest("mxc://matrix.example.org/sLDvNcCvkwMOpbuPKszCpFVg", width=96, height=96, method="crop")
        rounds = []
        for _ in range(20):
            started_ms = browser.now_ms()
            for _ in range(1000):  # Firefox's clock goes in steps of a millisecond
                key.sign(request, 0)
            rounds.append(browser.now_ms() - started_ms)
        self.root.set_attribute("data-signing-us", str(min(rounds)))

    def tell_tasks(self):
        """Writes how many tasks were created, and how often the event loop resumed one."""
        for name, count in self.counts.items():
            self.root.set_attribute(f"data-{name}", str(count))

    def tell_heap(self):
        """Writes the size of Python's heap in bytes."""
        gc.collect()
        self.root.set_attribute("data-heap", str(gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0))


LibraryPage().open()
