"""The test page ``options``: an application that sets every option, by public names alone.

``#own`` has its own placeholder and failure view, ``#plain`` those of the library; both speak Arabic. ``#linked`` shows
links. The buttons start and steer a prefetch of the media in ``window.prefetched``, and load ``window.givenMxc`` by
each cache policy. The report has what the hooks saw, and the outcomes.
"""

import json

from pyscript import document, ffi, window

from authmedia import Limits, MediaRequest, Messages, Prefetch, RequestHooks, RetryPolicy, bind, open_loader
from authmedia.browser import create_element, create_task, now_ms
from authmedia.errors import NotCached
from demo.page import Page

MESSAGES = Messages(
    {
        "AuthMediaError": "تعذر تحميل هذا الملف.",
        "MediaNotFound": "لم يعد هذا الملف موجودًا على الخادم.",
        "RateLimited": {
            "one": "يطلب الخادم الانتظار ثانية واحدة.",
            "two": "يطلب الخادم الانتظار ثانيتين.",
            "few": "يطلب الخادم الانتظار {seconds} ثوانٍ.",
            "many": "يطلب الخادم الانتظار {seconds} ثانية.",
            "other": "يطلب الخادم الانتظار {seconds} ثانية.",
            "none": "يطلب الخادم الانتظار قليلًا.",
        },
    },
    retry="حاول مرة أخرى",
    lang="ar-EG",
    dir="rtl",
)
TRANSFERS = 2


def render_placeholder(element):
    """Marks the element, as a style sheet would show it."""
    element.set_attribute("data-own-placeholder", "yes")
    return lambda: element.remove_attribute("data-own-placeholder")


def render_failure(place, failure):
    """Renders a card with the message and a button of its own."""
    card = document.createElement("div")
    card.className = "own-card"
    card.style.cssText = (
        "display:inline-grid;gap:8px;padding:12px 16px;border:1px solid #c66;border-inline-start:6px solid #c66;"
        "border-radius:8px;background:#fff4f4;color:#411;max-width:260px"
    )
    words = document.createElement("strong")
    words.textContent = failure.message
    button = document.createElement("button")
    button.textContent = MESSAGES.retry
    button.addEventListener("click", ffi.create_proxy(lambda _event: failure.retry()))
    card.append(words, button)
    place.js.append(card)


class OptionsPage(Page):
    """Binds ``#own`` and ``#plain`` with options, and has a prefetch."""

    def __init__(self):
        super().__init__("options")
        self.exchanges = []
        self.states = []
        self.prefetch = None

    async def work(self, session):
        """Opens the loader and the binders."""
        self.session = session
        self.loader = open_loader(
            "blob",
            session.homeserver,
            limits=Limits(transfers=TRANSFERS),
            retry=RetryPolicy(attempts=1),
            hooks=RequestHooks(on_request=self.on_request, on_response=self.on_response),
            persist=True,
        )
        self.root.query(".columns").remove()
        for name, options in (
            ("own", {"placeholder": render_placeholder, "failure_view": render_failure}),
            ("plain", {}),
        ):
            place = create_element("div", id=name)
            self.root.query("#main").append(place)
            bind(place, self.loader, messages=MESSAGES, on_state_change=self.on_state_change, near_px=None, **options)
        linked = create_element("div", id="linked")
        self.root.query("#main").append(linked)
        self.links = open_loader("link", session.homeserver)
        bind(linked, self.links)
        for name in ("prefetch", "link", "pause", "resume", "cancel", "cache", "report"):
            button = create_element("button", id="do-" + name, type="button")
            button.text = name
            button.listen("click", lambda name=name: self.do(name))
            self.root.query("body").append(button)
        self.refused = []
        for make in (
            lambda: open_loader("blob", session.homeserver, limit=3),
            lambda: bind(self.root, self.loader, near=3),
        ):
            try:
                make()
            except TypeError as error:
                self.refused.append(str(error))
        self.write()

    def on_request(self, exchange):
        """Counts the requests in flight."""
        self.exchanges.append(exchange)

    def on_response(self, exchange):
        """Keeps what an element has sent by itself, which has no other call."""
        if exchange.initiator == "element":
            self.exchanges.append(exchange)

    def on_state_change(self, element, state, outcome):
        """Keeps the states."""
        self.states.append([element.get_attribute("data-mxc"), state, type(outcome).__name__])

    def do(self, name):
        """Does what a button says."""
        if name in ("prefetch", "link"):
            loader = self.loader if name == "prefetch" else self.links
            requests = [MediaRequest(mxc) for mxc in json.loads(str(window.JSON.stringify(window.prefetched)))]
            self.prefetch = Prefetch(loader, requests, transfers=TRANSFERS)
            create_task(self.finish())
        elif name == "cache":
            create_task(self.load_by_policies())
        elif name != "report":
            getattr(self.prefetch, name)()
        self.write()

    async def load_by_policies(self):
        """Loads a media by each cache policy; the report has where it came from, or why it did not."""
        mxc = str(window.givenMxc)
        found = []
        loader = open_loader("auto", self.session.homeserver)
        for cache in ("only-if-cached", "default", "only-if-cached", "no-store", "reload", "default"):
            try:
                media = await loader.load(MediaRequest(mxc, width=32, height=32, cache=cache))
                found.append([cache, media.strategy, media.source])
                await loader.observe(media)
            except NotCached as error:
                found.append([cache, "", type(error).__name__])
        loader.close()
        self.report.set_field("cache", found)

    async def finish(self):
        """Writes the report when the prefetch has ended."""
        await self.prefetch.done()
        self.write()
        self.root.set_attribute("data-prefetch", self.prefetch.state)

    def write(self):
        """Writes the report."""
        fields = ("method", "url", "status", "bytes", "error", "initiator", "ms")
        self.report.set_field("exchanges", [{name: getattr(e, name) for name in fields} for e in self.exchanges])
        self.report.set_field("states", self.states)
        self.report.set_field("refused", self.refused)
        answer = self.loader.persistence
        self.report.set_field("persistence", [answer.works, answer.words] if answer else None)
        if self.prefetch:
            found = self.prefetch
            self.report.set_field("prefetch", [found.state, found.loaded, found.left, list(found.failures)])
        self.root.set_attribute("data-written", str(now_ms()))


OptionsPage().open()
