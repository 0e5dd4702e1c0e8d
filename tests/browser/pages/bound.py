"""A page for tests: whatever elements they put into the document are bound; what the loader did stands in the report.

``?strategy=`` names the strategy, ``?near=`` how near to the viewport media are loaded, ``?patience=`` for how many
seconds a silent server is waited for, ``?budget=`` how many bytes are kept that no element shows. Where ``demo.json``
tells of a second account, its elements name it in ``data-user-id``, and a loader of its own serves them.
"""

import json

from authmedia import browser
from authmedia.browser import timeouts
from authmedia.elements.binder import bind
from authmedia.loader import forget_account, open_loader
from authmedia.matrix.encrypted_file import Keyring
from authmedia.matrix.homeserver import Homeserver, log_in
from authmedia.matrix.http import request_url
from demo.page import Page

NAMES = ("opened", "hits", "coalesced", "retried", "aborted", "failed", "released")


class BoundPage(Page):
    """Binds all of the document."""

    def __init__(self):
        super().__init__("bound")
        self.loaders = []
        self.binders = []
        self.homeservers = []

    async def work(self, session):
        """Binds for each account."""
        demo = json.loads(await (await request_url(browser.page_url().rsplit("/", 1)[0] + "/demo.json")).text())
        self.homeservers.append(session.homeserver)
        if demo.get("second"):
            second = json.loads(demo["second"])
            user_id, token = await log_in(second["homeserver"], second["user"], second["password"])
            self.homeservers.append(Homeserver(second["homeserver"], user_id, token))
        self.root.query(".columns").remove()
        self.root.query("#main").append(browser.create_element("div", id="bound"))
        keyring = Keyring()
        for file in json.loads(demo.get("files") or "[]"):
            keyring.add(file)  # the first one's handle is "1"
        if browser.query_parameter("patience"):
            timeouts.RESPONSE_TIMEOUT_S = float(browser.query_parameter("patience"))
            timeouts.MIN_BYTES_PER_S = 50_000
        near = browser.query_parameter("near")
        for homeserver in self.homeservers:
            loader = open_loader(browser.query_parameter("strategy"), homeserver)
            loader.counters.on_count = lambda _name, _value: self.tell()
            if browser.query_parameter("budget"):
                self.limit(loader, int(browser.query_parameter("budget")))
            self.loaders.append(loader)
            near_px = int(near) if near else None
            place = self.root.query("#bound")
            self.binders.append(
                bind(place, loader, keyring=keyring, near_px=near_px, on_change=lambda _binding: self.tell())
            )
        for name, work in (("count", self.count), ("leave", self.leave), ("close", self.close)):
            button = browser.create_element("button", id=name, type="button")
            button.text = name
            button.listen("click", lambda work=work: self.start(work()))
            self.root.query("body").append(button)
        self.tell()

    def limit(self, loader, budget):
        """Has a loader keep so many bytes: in memory, or on disk, all accounts' files together."""
        store = getattr(loader._strategy.inner, "_store", None)
        if store:
            store._budget = budget
        loader._pipeline._idle_budget = 0 if store else budget  # what is kept in memory does not leave the disk

    def tell(self):
        """Writes the counters."""
        counters = [{name: getattr(loader.counters, name) for name in NAMES} for loader in self.loaders]
        for counter, binder in zip(counters, self.binders):
            counter["bound"] = len(binder.bindings)
        self.report.tell("counters", counters)
        self.report.tell("urls", browser.OBJECT_URLS.created - browser.OBJECT_URLS.revoked)

    async def count(self):
        """Writes the counters because somebody asks."""
        self.tell()
        self.root.set_attribute("data-counted", str(browser.now_ms()))

    async def leave(self):
        """Signs the first account out, as an application does."""
        self.binders[0].close()
        self.loaders[0].close()
        await forget_account(self.homeservers[0])
        await self.homeservers[0].request_json("POST", "/_matrix/client/v3/logout", {})
        self.tell()
        self.root.set_attribute("data-left", "yes")

    async def close(self):
        """Lets everything go."""
        for held in self.binders + self.loaders:
            held.close()
        self.tell()
        self.root.set_attribute("data-closed", "yes")


BoundPage().open()
