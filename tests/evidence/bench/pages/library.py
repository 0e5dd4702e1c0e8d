"""The benchmark's page ``library``: binds the images in ``#bench`` by the strategy of the parameter ``strategy``."""

import gc

from authmedia import browser
from authmedia.elements.binder import bind
from authmedia.loader import open_loader
from demo.page import Page


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
        button = browser.create_element("button", id="heap", type="button")
        button.listen("click", self.tell_heap)
        self.root.query("body").append(button)

    def tell_heap(self):
        """Writes the size of Python's heap in bytes."""
        gc.collect()
        self.root.set_attribute("data-heap", str(gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0))


LibraryPage().open()
