"""The test page ``renewal``: binds what tests add to ``#link``, ``#blob`` and so on, each by its strategy.

All have the same session, whose token ends every few seconds; with ``end=unknown``, the page does not know when. The
report has the words of the strategies that do not work here, and how often each loader failed.
"""

from authmedia import browser
from authmedia.elements.binder import bind
from authmedia.loader import open_loader
from authmedia.matrix.tokens import Tokens
from demo.page import Page


class RenewalPage(Page):
    """Binds the elements of each strategy."""

    def __init__(self):
        super().__init__("renewal")
        self.refused = {}
        self.loaders = {}
        self.binders = []

    async def work(self, session):
        """Opens a loader and a binder for each strategy that works here."""
        self.root.query(".columns").remove()
        for name in browser.query_parameter("strategies").split(","):
            loader = open_loader(name, session.homeserver)
            support = await loader.support()
            if not support.works:
                self.refused[name] = support.words
                continue
            self.loaders[name] = loader
            loader.counters.on_count = lambda _name, _value: self.write()
            place = browser.create_element("div", id=name)
            self.root.query("#main").append(place)
            self.binders.append(bind(place, loader, near_px=None))
        self.write()

    def write(self):
        """Writes the report."""
        self.report.set_field("refused", self.refused)
        self.report.set_field("failed", {name: loader.counters.failed for name, loader in self.loaders.items()})


if browser.query_parameter("end") == "unknown":
    Tokens.expires_in_ms = None
RenewalPage().open()
