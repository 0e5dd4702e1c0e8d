"""The page of the benchmark that loads by this library: whatever image is put into ``#bench`` is bound.

``?strategy=`` names the strategy.
"""

import gc

from authmedia import browser
from authmedia.elements import bind
from authmedia.loader import open_loader
from demo.page import Page


class OursPage(Page):
    """Binds one element of the document, and waits."""

    def __init__(self):
        super().__init__("library")
        self.loader = None
        self.binder = None

    async def work(self, session):
        """Binds; the benchmark does the rest."""
        self.root.find(".columns").remove()
        place = browser.create("div", id="bench")
        self.root.find("#main").append(place)
        self.loader = open_loader(browser.query("strategy"), session.homeserver)
        # Once, as every page does; what it costs is measured by the rows about starting.
        await self.loader.support()
        self.binder = bind(place, self.loader, near_px=None)
        button = browser.create("button", id="heap", type="button")
        button.on("click", self.tell_heap)
        self.root.find("body").append(button)

    def tell_heap(self):
        """Writes how many bytes Python's objects take."""
        gc.collect()
        self.root.set("data-heap", str(gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0))


OursPage().open()
