"""The test page ``binding``: binds the elements that tests add to it; its report has the loaders' counters.

Parameters: ``strategy``; ``near``, the margin around the viewport within which media load, in pixels; ``patience``, the
seconds after which a silent server is given up; ``min_rate``, the bytes a second at which a body must arrive then;
``budget``, the bytes cached beyond what elements show; ``css_pixels`` and ``shadow_roots``, those of `bind`; ``web``,
for a root of `pyscript.web`; ``release_delay``, the seconds after which a saved file is released; ``players``, how many
videos keep a player at a time. If ``demo.json``
names a second account, elements select it by ``data-user-id``, and it has its own loader.
"""

import json

from pyscript import ffi, web, window

from authmedia import browser
from authmedia.browser import timeouts
from authmedia.elements import file_saving, playback
from authmedia.elements.binder import bind
from authmedia.elements.binding import Binding
from authmedia.loader import forget_account, open_loader
from authmedia.matrix.encrypted_file import Keyring
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.http import request_url
from authmedia.matrix.login import log_in
from authmedia.media import MediaRequest
from authmedia.support.limits import Limits
from demo.page import Page

NAMES = ("opened", "hits", "coalesced", "retried", "aborted", "failed", "released")


class BindingPage(Page):
    """Binds the elements of ``#elements``."""

    def __init__(self):
        super().__init__("binding")
        self.loaders = []
        self.binders = []
        self.homeservers = []

    async def work(self, session):
        """Opens a loader and a binder for each account."""
        demo = json.loads(await (await request_url(browser.page_url().rsplit("/", 1)[0] + "/demo.json")).text())
        self.homeservers.append(session.homeserver)
        if demo.get("second"):
            second = json.loads(demo["second"])
            login = await log_in(second["homeserver"], second["user"], second["password"])
            self.homeservers.append(Homeserver(second["homeserver"], login.user_id, login.tokens.access_token))
        self.root.query(".columns").remove()
        self.root.query("#main").append(browser.create_element("div", id="elements"))
        keyring = Keyring()
        for file in json.loads(demo.get("files") or "[]"):
            keyring.add(file)  # the first one's handle is "1"
        if browser.query_parameter("patience"):
            timeouts.RESPONSE_TIMEOUT_S = float(browser.query_parameter("patience"))
            timeouts.MIN_BYTES_PER_S = float(browser.query_parameter("min_rate") or 50_000)
        if browser.query_parameter("release_delay"):
            file_saving.RELEASE_DELAY_S = float(browser.query_parameter("release_delay"))
        if browser.query_parameter("players"):
            playback._MAX_PLAYERS = int(browser.query_parameter("players"))
        near = browser.query_parameter("near")
        for homeserver in self.homeservers:
            budget = browser.query_parameter("budget")
            strategy = browser.query_parameter("strategy")
            # What is kept in memory does not leave the disk.
            idle = 0 if strategy == "opfs" else int(budget or 0)
            limits = Limits(idle_bytes=idle, disk_bytes=int(budget)) if budget else None
            loader = open_loader(strategy, homeserver, limits=limits)
            loader.counters.on_count = lambda _name, _value: self.write_counters()
            self.loaders.append(loader)
            near_px = int(near) if near else None
            place = web.page["elements"] if browser.query_parameter("web") else self.root.query("#elements")
            options = {name: bool(browser.query_parameter(name)) for name in ("css_pixels", "shadow_roots")}
            options["on_change"] = lambda _binding: self.write_counters()
            self.binders.append(bind(place, loader, keyring=keyring, near_px=near_px, **options))
        for name in ("count", "leave", "close", "add", "remove", "draw", "notify"):
            work = getattr(self, name)
            button = browser.create_element("button", id=name, type="button")
            button.text = name
            button.hidden = name in ("add", "remove", "draw", "notify")  # tests press these by `press`
            button.listen("click", lambda work=work: self.start(work()))
            self.root.query("header").append(button)  # where no element lies over it
        self.write_counters()

    async def add(self):
        """Adds a root that a test made."""
        self.binders[0].add_root(window.givenRoot)

    async def remove(self):
        """Removes a root that a test made."""
        self.binders[0].remove_root(window.givenRoot)

    async def notify(self):
        """Shows a notification with a media as its icon, as the guide does."""
        request = MediaRequest(window.givenMxc, width=96, height=96, method="crop")
        media = await self.loaders[0].load(request)
        notification = window.Notification.new("Ana", ffi.to_js({"body": "Look at this", "icon": media.src}))
        self.root.set_attribute("data-icon", media.src)
        notification.addEventListener("error", ffi.create_proxy(lambda event: self.told("error", media)))
        notification.addEventListener("show", ffi.create_proxy(lambda event: self.told("show", media)))

    def told(self, event, media):
        """Releases the media of a notification."""
        self.loaders[0].release(media)
        self.root.set_attribute("data-notification", event)

    async def draw(self):
        """Adds an element as an application with `pyscript.web` does, and binds another by itself."""
        picture = web.img(alt="drawn", id="drawn")
        picture.dataset.mxc = window.givenMxc
        web.page["elements"].append(picture)
        alone = web.img(alt="alone", id="alone")
        alone.dataset.mxc = window.givenMxc
        web.page.body.append(alone)
        Binding(alone, self.loaders[0]).start()
        try:
            bind(web.page.find("img"), self.loaders[0])
        except TypeError as error:
            self.root.set_attribute("data-refused", str(error))

    def write_counters(self):
        """Writes the counters into the report."""
        counters = [{name: getattr(loader.counters, name) for name in NAMES} for loader in self.loaders]
        for counter, binder in zip(counters, self.binders):
            counter["bound"] = len(binder.bindings)
        self.report.set_field("counters", counters)
        self.report.set_field("urls", browser.OBJECT_URLS.created - browser.OBJECT_URLS.revoked)

    async def count(self):
        """Writes the counters at a test's request."""
        self.write_counters()
        self.root.set_attribute("data-counted", str(browser.now_ms()))

    async def leave(self):
        """Logs the first account out, as an application does."""
        self.binders[0].close()
        self.loaders[0].close()
        await forget_account(self.homeservers[0])
        await self.homeservers[0].request_json("POST", "/_matrix/client/v3/logout", {})
        self.write_counters()
        self.root.set_attribute("data-left", "yes")

    async def close(self):
        """Closes all binders and loaders."""
        for held in self.binders + self.loaders:
            held.close()
        self.write_counters()
        self.root.set_attribute("data-closed", "yes")


BindingPage().open()
