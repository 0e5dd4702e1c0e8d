"""Leaves every page open and uses it while access tokens end: what fails, and what is loaded twice.

    python3 build.py compare --long-use 10

Each page has an origin and so a session of its own. In each round every page is scrolled, gets a new picture, and plays
its video. A proxy before a real Synapse records each request for media: the same media without `Range`, requested
again by the same page, was loaded twice. That is so once it has arrived: a browser aborts the transfer of an element
that is scrolled past, and reports a failed request. A media whose URL was refused since is loaded again, as it must be;
the refusal is a problem, but for `signed_query`, whose URLs end with the access token by the proposal's design. The
comparison runs anew in each round, with sessions of its own.
"""

import functools
import itertools
import math
import re
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import BrowserContext, Error, Request, Response, sync_playwright

from tests.browser.engines import ALL_MODES, CHROMIUM, FIREFOX_PRIVATE, Mode, launch_browser, set_up_browsers
from tests.browser.matrix_room import Room, picture
from tests.browser.site_tab import SiteTab
from tests.evidence.compare.counting_proxy import CountingProxy, Receive, Send
from tests.relay import free_port
from tests.sample_media_cache import copy_sample_media
from web import strategy_order
from web.demonstration import Demonstration
from web.server import SiteServer

ROOM_PAGES = tuple(name.replace("_", "-") for name in strategy_order.ALL)
#: Its media fail by design, some of them.
ATTIC = "attic"
COMPARE = "compare"
# The timeline has a window of its own: Firefox keeps the cache of all private windows in 32 MB of memory, which the
# comparison alone fills in each round. Of 500 pictures that are scrolled past, it would forget some.
_WINDOWS = ((*ROOM_PAGES, ATTIC, COMPARE), ("timeline",))
#: Its URLs are signed by the access token and end with it, also those of a player that has not all of its video.
ENDS_WITH_TOKEN = "signed-query"
# The attic has media that are not there, and the comparison makes the HTTP cache forget by requests without a header.
_REFUSED_BY_DESIGN = (ATTIC, COMPARE)
#: What the comparison runs in each round.
_COMPARED = ",".join(strategy_order.COMPARED)
TOKEN_LIFETIME_S = 20
ROUND_S = 10.0
SETTLED_S = 30.0
_MEDIA = re.compile(r"/(download|thumbnail|signed|cookie|query)/(.+)$")
_SIGNATURE = re.compile(r"(^|&)(?!width=|height=|method=|animated=)[^&]*")
_HEADERS = (b"range", b"if-none-match", b"if-modified-since", b"cache-control", b"sec-fetch-mode", b"sec-fetch-dest")
# A token that ended, another interpreter's files, and the page's own trial of a cookie across sites.
_EXPECTED = ("PyScript Ready", "401", "was preloaded using link preload", "SameSite", "/cookie/picture")
# Adds a picture where the page sees it, and scrolls to it and back.
_ADD = """(mxc) => {
  const place = document.querySelector("#timeline"), picture = document.createElement("img");
  Object.assign(picture, { alt: "new", className: "added" }).dataset.mxc = mxc;
  place.prepend(picture);
  (place.closest(".room") ?? document.scrollingElement).scrollTo(0, 0);
  scrollTo(0, 0);
}"""
_SCROLL = """(share) => {
  for (const box of [document.querySelector("#room"), document.scrollingElement])
    box.scrollTo(0, (box.scrollHeight - box.clientHeight) * share);
}"""
# What is near to the viewport and not settled.
_UNSETTLED = """() => [...document.querySelectorAll("#timeline [data-state=loading]")].map((element) => {
  const { top, bottom, height } = element.getBoundingClientRect();
  return `${element.outerHTML.slice(0, 300)} at ${top} to ${bottom} of ${innerHeight}, ${height} high`;
})"""
# Whether all that is near to what one sees of the room is loaded: what is scrolled past before is loaded later.
_SETTLED = """() => [...document.querySelectorAll("#timeline [data-state=loading]")].every((element) => {
  const { top, bottom, height } = element.getBoundingClientRect();
  const room = document.querySelector("#room").getBoundingClientRect();
  return !height || bottom < Math.max(0, room.top) - 590 || top > Math.min(innerHeight, room.bottom) + 590;
})"""
_PLAY = """async () => {
  const video = document.querySelector("#timeline video[data-state=shown]");
  if (!video) return "";
  video.muted = true;
  if (video.ended || video.currentTime > 15) video.currentTime = 1;
  try { await video.play(); } catch (error) { return `the video does not play: ${error.message}`; }
  return "";
}"""
_STRATEGIES = """() => [...new Set([...document.querySelectorAll("[data-strategy]")].map(({ dataset }) =>
  [dataset.strategy, dataset.reason].filter(Boolean).join(": ")))]"""
_FAILED = """() => [...document.querySelectorAll("[data-mxc][data-state=failed]")].map((element) =>
  `${element.dataset.label ?? element.dataset.mxc}: ${
    (element.closest("button") ?? element).nextElementSibling?.title ?? ""}`)"""


@dataclass
class MediaRequest:
    """One request for media, as the homeserver got it."""

    origin: str
    media: str
    headers: dict[str, str]
    #: When it arrived, on the clock of `time.monotonic`.
    at_s: float
    url: str
    status: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it asks for the whole body, or for what the browser takes for it."""
        return self.headers.get("range", "bytes=0-") == "bytes=0-"


@dataclass
class Transfers:
    """What the browser reports of a page's transfers of media."""

    #: When each media had arrived for the first time, on the clock of `time.monotonic`.
    finished_s: dict[str, float] = field(default_factory=dict)
    aborted: list[str] = field(default_factory=list)

    def finish(self, request: Request) -> None:
        """Records a request whose body has arrived."""
        if media := _media_of(request.url):
            self.finished_s.setdefault(media, time.monotonic())

    def fail(self, request: Request) -> None:
        """Records a request whose transfer the browser aborted, or that failed."""
        if media := _media_of(request.url):
            self.aborted.append(media)

    def arrived_s(self, media: str, requested_s: float) -> float:
        """Returns when a media had arrived; at its first request, where the browser reports nothing of it."""
        return self.finished_s.get(media, math.inf if media in self.aborted else requested_s)


@dataclass
class Outcome:
    """What happened to one page."""

    page: str
    words: str = ""
    rounds: int = 0
    problems: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    #: By which strategies the page shows media at last, with the reasons for those that took another's place.
    strategies: list[str] = field(default_factory=list)
    transfers: Transfers = field(default_factory=Transfers)
    #: What fails on the page by design, and until when it did, on the clock of `time.monotonic`.
    failed_by_design: list[str] = field(default_factory=list)
    designed_until_s: float = 0.0
    #: How many requests were refused because their URL had ended with the access token, by a proposal's design.
    ended_urls: int = 0


class RecordingProxy(CountingProxy):
    """Forwards requests, and records those for media."""

    def __init__(self, homeserver: str) -> None:
        super().__init__(homeserver)
        self.requests: list[MediaRequest] = []
        self.renewals = 0
        self._start_s = time.monotonic()

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        url = f"{scope['path']}?{scope['query_string'].decode()}"
        media = _media_of(url)
        self.renewals += scope["path"].endswith("/refresh") and scope["method"] == "POST"
        if not media or scope["method"] != "GET":
            await super()._answer(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        recorded = MediaRequest(
            headers.get("origin") or headers.get("referer", ""),
            media,
            {name.decode(): headers[name.decode()] for name in _HEADERS if name.decode() in headers},
            time.monotonic(),
            url,
        )
        self.requests.append(recorded)

        async def note(message: dict[str, Any]) -> None:
            recorded.status = message.get("status", recorded.status)
            await send(message)

        await super()._answer(scope, receive, note)

    def twice(self, origin: str, transfers: Transfers, after_s: float = 0.0) -> list[str]:
        """Returns the media that a page has loaded again after a time of `time.monotonic`, with its requests.

        :param transfers: what the page's browser reports.
        """
        own = sorted((one for one in self.requests if one.origin == origin), key=lambda one: one.media)
        found = []
        for media, requests in itertools.groupby(own, key=lambda one: one.media):
            loads = _whole_loads(list(requests))
            if len(loads) < 2:
                continue
            first, last = loads[0], loads[-1]
            # A player that has a part aborts the transfer as well, and goes on with it by `Range`.
            arrived_s = first.at_s if "range" in first.headers else transfers.arrived_s(media, first.at_s)
            if last.at_s > arrived_s and last.at_s >= after_s:
                found.append(self._described(media, loads))
        return found

    def _described(self, media: str, requests: list[MediaRequest]) -> str:
        # Of one URL, it is the browser's cache that has lost it; of two expiries, a bucket of time has ended.
        urls = len({one.url for one in requests})
        expiries = len({dict(parse_qsl(urlsplit(one.url).query)).get("e", "") for one in requests})
        loads = "; ".join(f"{one.at_s - self._start_s:.2f} s {one.status} {one.headers}" for one in requests)
        return f"{media}, {len(requests)} loads of {urls} URLs, {expiries} expiries: {loads}"


class Use:
    """One browser with every page open."""

    def __init__(self, context: BrowserContext, site: str, proxy: RecordingProxy, room: Room) -> None:
        self._proxy = proxy
        self._room = room
        self._context = context
        self._site = site
        self._numbers = itertools.count()
        self._tabs: dict[str, SiteTab] = {}
        self.outcomes: dict[str, Outcome] = {}

    def open(self, pages: tuple[str, ...]) -> None:
        """Opens the pages, each in a tab of its own."""
        for name in pages:
            tab, outcome = SiteTab(self._context, self._site), Outcome(name)
            tab.page.on("response", functools.partial(_note_refusal, outcome))
            tab.page.on("requestfinished", outcome.transfers.finish)
            tab.page.on("requestfailed", outcome.transfers.fail)
            self.outcomes[name] = outcome
            if name == COMPARE:
                self._tabs[name] = tab
                continue
            tab.open(name, **({"interpreter": "pyodide"} if name == "blocking" else {}))
            if tab.state != "done":
                outcome.words = tab.page.locator("#problem .developers").inner_text()
                tab.close()
                continue
            self._tabs[name] = tab
            if name == ATTIC:
                self._scroll(tab)
                outcome.failed_by_design = tab.page.evaluate(_FAILED)
                outcome.designed_until_s = time.monotonic()
                tab.console_messages.clear()

    def run(self, until_s: float) -> None:
        """Uses all pages in turn until a time of `time.monotonic`."""
        while time.monotonic() < until_s:
            start_s = time.monotonic()
            for name, tab in self._tabs.items():
                use = self._compare if name == COMPARE else self._use
                use(tab, self.outcomes[name])
            time.sleep(max(0.0, min(ROUND_S - (time.monotonic() - start_s), until_s - time.monotonic())))

    def close(self) -> None:
        """Ends the use; the outcomes are complete then."""
        for name, tab in self._tabs.items():
            outcome = self.outcomes[name]
            if name != COMPARE:
                outcome.strategies = tab.page.evaluate(_STRATEGIES)
                outcome.twice = self._proxy.twice(tab.origin, outcome.transfers, outcome.designed_until_s)
                outcome.problems += _console_problems(tab, outcome)
            tab.close()

    def _use(self, tab: SiteTab, outcome: Outcome) -> None:
        number = next(self._numbers)
        outcome.rounds += 1
        mxc = self._room.upload(picture(number % 256) + str(number).encode(), "image/png")
        try:
            tab.page.bring_to_front()
            self._scroll(tab)
            tab.page.evaluate(_ADD, mxc)
            added = tab.page.locator(f'.added[data-mxc="{mxc}"]:is([data-state=shown], [data-state=failed])')
            added.wait_for(state="attached", timeout=SETTLED_S * 1000)
            problems = [*tab.page.evaluate(_FAILED), tab.page.evaluate(_PLAY)]
            problems.append("" if tab.state == "done" else tab.page.locator("#problem").inner_text())
        except Error as error:
            problems = [f"round {outcome.rounds}: {error.message}", *tab.page.evaluate(_UNSETTLED)]
        known = (*outcome.problems, *outcome.failed_by_design)
        outcome.problems += [words for words in problems if words and words not in known]

    def _compare(self, tab: SiteTab, outcome: Outcome) -> None:
        outcome.rounds += 1
        try:
            tab.page.bring_to_front()
            tab.open(COMPARE, run="1", only=_COMPARED)
            problem = "" if tab.state == "done" else tab.page.locator("#problem").inner_text()
        except Error as error:
            problem = error.message
        outcome.problems += [f"round {outcome.rounds}: {problem}"] if problem else []

    @staticmethod
    def _scroll(tab: SiteTab) -> None:
        tab.page.wait_for_function(_SETTLED, timeout=SETTLED_S * 1000)
        for share in (0.3, 0.6, 1.0):
            tab.page.evaluate(_SCROLL, share)
            tab.page.wait_for_function(_SETTLED, timeout=SETTLED_S * 1000)


def _whole_loads(requests: list[MediaRequest]) -> list[MediaRequest]:
    """Returns the requests that loaded one media as a whole, from the last one on that followed a refusal."""
    loads: list[MediaRequest] = []
    for request in requests:
        if request.status == 403:
            loads = []
        elif request.is_whole and request.status in (200, 206):
            loads.append(request)
    return loads


def _note_refusal(outcome: Outcome, response: Response) -> None:
    words = f"status {response.status} of {response.url}"
    if outcome.page == ENDS_WITH_TOKEN and response.status == 403 and _media_of(response.url):
        outcome.ended_urls += 1
    elif response.status >= 400 and outcome.page not in _REFUSED_BY_DESIGN and _is_problem(words):
        outcome.problems.append(words)


def _console_problems(tab: SiteTab, outcome: Outcome) -> list[str]:
    # Chromium writes a message without the URL for each refused one.
    expected = ("status of 403",) if outcome.ended_urls else ()
    return [words for words in tab.console_messages if _is_problem(words, *expected)]


def _media_of(url: str) -> str:
    """Returns which media a URL names, and in which size; empty for other URLs."""
    address = urlsplit(url)
    found = _MEDIA.search(address.path)
    return f"{found[2]}?{_SIGNATURE.sub('', address.query).strip('&')}" if found else ""


def _is_problem(words: str, *expected: str) -> bool:
    """Whether a console message reports something that was not to be expected."""
    return not any(known in words for known in (*_EXPECTED, *expected))


def run_mode(
    mode: Mode, demonstration: Demonstration, site: Path, minutes: float, pages: tuple[str, ...]
) -> list[Outcome]:
    """Uses the pages of a built site in one browser; returns what happened to each."""
    assert demonstration.demo
    demo = demonstration.demo
    room = Room(demonstration.synapse, f"{mode.name}-{int(time.time())}")
    with RecordingProxy(demonstration.synapse.base_url) as proxy, sync_playwright() as playwright:
        account = {"user": demo.user_id, "password": demo.password, "room": demo.room_id}
        server = SiteServer(site, 0, {**account, "homeserver": proxy.address()})
        server.start()
        try:
            with launch_browser(mode, playwright) as context:
                use = Use(context, server.url, proxy, room)
                until_s = time.monotonic() + minutes * 60
                use.open(pages)
                use.run(until_s)
                use.close()
        finally:
            server.stop()
            room.close()
        print(f"{mode.name}: {proxy.renewals} renewals, {len(proxy.requests)} requests for media", flush=True)
    return list(use.outcomes.values())


def run(minutes: float, *, modes: list[str], pages: list[str]) -> int:
    """Runs the command; returns 1 if anything failed or was loaded twice.

    :param modes: names of browser modes; empty for Chromium and a private window of Firefox.
    :param pages: names of pages; empty for all.
    """
    wanted = modes or [CHROMIUM.name, FIREFOX_PRIVATE.name]
    windows = [tuple(page for page in window if not pages or page in pages) for window in _WINDOWS]
    bad = 0
    set_up_browsers()
    with tempfile.TemporaryDirectory(prefix="authmedia-long-use-") as folder:
        copy_sample_media(Path(folder) / "seed")
        demonstration = Demonstration(Path(folder), 0, free_port(), token_lifetime_s=TOKEN_LIFETIME_S)
        with demonstration.running():
            demonstration.fill_attic()
            demonstration.fill_archive()
            for mode in [mode for mode in ALL_MODES if mode.name in wanted]:
                for window in filter(None, windows):
                    for outcome in run_mode(mode, demonstration, Path(folder) / "site", minutes, window):
                        bad += len(outcome.problems) + len(outcome.twice)
                        print(_described(outcome), flush=True)
    return 1 if bad else 0


def _described(outcome: Outcome) -> str:
    if outcome.words:
        return f"  {outcome.page}: does not work here ({outcome.words})"
    lines = [
        f"  {outcome.page}: {outcome.rounds} rounds, {len(outcome.problems)} problems, {len(outcome.twice)} twice, "
        f"{len(outcome.transfers.aborted)} transfers aborted, {outcome.ended_urls} ended URLs"
    ]
    lines += [f"    by {strategy}" for strategy in outcome.strategies]
    lines += [f"    problem: {words}" for words in outcome.problems]
    lines += [f"    twice: {words}" for words in outcome.twice]
    return "\n".join(lines)
