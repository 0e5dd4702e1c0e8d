"""Bundles: many small media in one answer, cut into blobs as its parts arrive."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, HomeserverUnreachable, ServerFailure
from authmedia.matrix.homeserver import LINKS_PREFIX, Homeserver, refused, wish
from authmedia.media import MediaRequest, safe_content_type
from authmedia.support.backoff import RateLimitBackoff
from authmedia.support.gather import gather_all
from authmedia.support.untrusted import json_object, parse_json
from authmedia.traffic import Traffic

_PATH = LINKS_PREFIX + "/bundle"
# What a homeserver offers that was not asked yet.
_LIMIT = 200
_PART_BYTES = 512 * 1024
# The line before each part, and what says why there is none. A longer one is none of ours.
_LONGEST_HEAD = 1024
# How many bundles at a time: one that waits for another server's media is not to hold up all the rest.
_AT_ONCE = 4
_TOO_LARGE = "M_TOO_LARGE"
_BUNDLE_FULL = "DEV.AUTHMEDIA.BUNDLE_FULL"


class Part:
    """One media out of a bundle: its body, and what the homeserver says it is."""

    __slots__ = ("body", "content_type")

    def __init__(self, body: browser.Blob, content_type: str) -> None:
        self.body = body
        self.content_type = content_type


class Bundler:
    """Gets one session's small media, in one request for all that is asked for in one turn of the event loop."""

    __slots__ = ("_collecting", "_homeserver", "_pause", "_running", "_waiting", "limit", "part_bytes")

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._waiting: list[_Order] = []
        self._collecting: asyncio.Task[None] | None = None
        self._running: list[_Bundle] = []
        self._pause = RateLimitBackoff(browser.now_ms)
        #: How many media the homeserver puts into one bundle, and how large each may be.
        self.limit = _LIMIT
        self.part_bytes = _PART_BYTES

    async def support(self) -> str:
        """Asks the homeserver for its limits; gives its words if it has no bundles, else an empty text.

        At the same time it asks for an empty bundle: so connection and preflight are there when one is asked for.

        :raises AuthMediaError: if it does not answer that.
        """
        offered, empty = await gather_all(
            self._homeserver.offer(), self._homeserver.respond("POST", _PATH, {"media": []})
        )
        empty.abort()
        offer = offered.get("bundle")
        if not isinstance(offer, dict):
            return "The homeserver does not offer bundles"
        self.limit = max(1, int(offer.get("limit", _LIMIT)))
        self.part_bytes = int(offer.get("part_bytes", _PART_BYTES))
        return ""

    def takes(self, request: MediaRequest) -> bool:
        """Whether a media is for a bundle: a picture that is small, as far as is known before it is there."""
        small = request.is_thumbnail or 0 < (request.size or 0) <= self.part_bytes
        return request.kind == "image" and small

    async def part(self, request: MediaRequest, traffic: Traffic) -> Part | None:
        """A media out of the next bundle; nothing if it turns out to be too large for one.

        Cancelling the last who waits for a bundle aborts it.

        :raises AuthMediaError: if the homeserver refuses this media or the whole bundle, or the transfer breaks off.
        """
        order = _Order(request, traffic)
        self._add([order])
        try:
            await order.ready.wait()
        except asyncio.CancelledError:
            self._give_up(order)
            raise
        if order.failure:
            raise order.failure
        return order.part

    def close(self) -> None:
        """Asks for nothing any more, and ends what is on its way."""
        if self._collecting:
            self._collecting.cancel()
        self._waiting = []
        for bundle in self._running:
            bundle.abort()

    def _add(self, orders: "list[_Order]") -> None:
        self._waiting.extend(orders)
        if self._waiting and (not self._collecting or self._collecting.done()):
            self._collecting = browser.create_task(self._collect())

    def _give_up(self, order: "_Order") -> None:
        if order in self._waiting:
            self._waiting.remove(order)
        order.ready.set()
        for bundle in self._running:
            bundle.look()

    async def _collect(self) -> None:
        await asyncio.sleep(
            0
        )  # collects the requests of this turn of the event loop
        await self._pause.wait()
        while self._waiting and len(self._running) < _AT_ONCE:
            # What people see comes first. In two lists, since MicroPython's `sort` does not keep the order of equals.
            urgent = [order for order in self._waiting if order.is_urgent]
            waiting = urgent + [order for order in self._waiting if not order.is_urgent]
            self._waiting = waiting[self.limit :]
            bundle = _Bundle(self._homeserver, waiting[: self.limit], self._pause)
            self._running.append(bundle)
            browser.create_task(self._run(bundle))

    async def _run(self, bundle: "_Bundle") -> None:
        try:
            again = await bundle.load()
        finally:
            self._running.remove(bundle)
        self._add(again)  # and whoever waited until there was room


class _Bundle:
    """One request on its way, and who waits for its parts."""

    __slots__ = ("_again", "_answered", "_done", "_homeserver", "_orders", "_pause", "_served", "_task")

    def __init__(self, homeserver: Homeserver, orders: "list[_Order]", pause: RateLimitBackoff) -> None:
        self._homeserver = homeserver
        self._pause = pause
        self._orders = orders
        self._answered: set[int] = set()
        #: Whether anybody got a part, or heard why there is none.
        self._served = False
        #: What is to be asked for in another bundle.
        self._again: list[_Order] = []
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def load(self) -> "list[_Order]":
        """Answers all orders; gives those that are to be asked for again."""
        if not self._done.is_set():  # as it is where it was given up before it began
            self._task = browser.create_task(self._load())
        await self._done.wait()
        return [order for order in self._again if not order.ready.is_set()]

    def look(self) -> None:
        """Somebody gave up: with the last one, the transfer is."""
        if self._waits_for_none():
            self.abort()

    def abort(self) -> None:
        """Ends the transfer."""
        if self._task:
            self._task.cancel()
        self._done.set()

    def _waits_for_none(self) -> bool:
        return all(order.ready.is_set() for order in self._orders)

    async def _load(self) -> None:
        failure: AuthMediaError = HomeserverUnreachable("The transfer broke off")
        try:
            await self._take_parts()
        except AuthMediaError as error:
            failure = error
            self._pause.record(error)
        except browser.BrowserError as error:
            failure = HomeserverUnreachable("The transfer broke off", words=error.words)
        finally:
            self._end(failure)

    async def _take_parts(self) -> None:
        body = {"media": [wish(order.request) for order in self._orders]}
        # The one request is counted for its first media, so that sums over media come out right.
        traffic = self._orders[0].traffic
        response = await self._homeserver.respond("POST", _PATH, body, traffic)
        try:
            pieces = response.reader()
            while await self._take_part(pieces):
                continue
        finally:
            response.abort()  # what follows is not wanted, if anything does

    def _end(self, failure: AuthMediaError) -> None:
        """Who got nothing is to ask again, all in one request: but only where this one served anybody at all."""
        missing = [order for order in self._orders if not order.ready.is_set()]
        if self._served:
            self._again = missing
        else:
            for order in missing:
                order.fail(failure.about(order.request.mxc))
        self._done.set()

    async def _take_part(self, pieces: browser.BodyReader) -> bool:
        """Reads one part; gives whether there was one."""
        line = await pieces.read_line(_LONGEST_HEAD)
        if not line:
            return False
        order, status, content_type, length = self._head(line)
        body = await pieces.read_blob(length, safe_content_type(content_type))
        if body is None:
            return False
        if status == 200:
            self._served = True
            order.give(Part(body, content_type))
        else:
            self._refuse(order, status, await body.first_line(_LONGEST_HEAD))
        return True

    def _head(self, line: str) -> "tuple[_Order, int, str, int]":
        try:
            head = parse_json(line)
            number, status, length = int(head["part"]), int(head["status"]), int(head["length"])
            if number < 0 or length < 0 or number in self._answered:
                raise ValueError
            order = self._orders[number]
            self._answered.add(number)
            return order, status, str(head["type"]), length
        except (ValueError, KeyError, TypeError, IndexError, OverflowError):  # the last of 1e999
            failure = ServerFailure("The homeserver's answer is no bundle")
        raise failure

    def _refuse(self, order: "_Order", status: int, text: str) -> None:
        error = json_object(parse_json(text))
        errcode = str(error.get("errcode", ""))
        if errcode == _BUNDLE_FULL:
            return  # it is asked for again with all others that got nothing
        self._served = True
        if errcode == _TOO_LARGE:
            order.ready.set()  # with nothing: it is to be asked for by itself
        else:
            order.fail(refused(errcode, f"{errcode}: {error.get('error', '')}", status).about(order.request.mxc))


class _Order:
    """One media waiting for its part."""

    __slots__ = ("failure", "part", "ready", "request", "traffic")

    def __init__(self, request: MediaRequest, traffic: Traffic) -> None:
        self.request = request
        self.traffic = traffic
        #: Set once whoever waits can go on.
        self.ready = asyncio.Event()
        self.part: Part | None = None
        self.failure: AuthMediaError | None = None

    @property
    def is_urgent(self) -> bool:
        """Whether people see where it is to be shown, as far as that is known."""
        return self.traffic.urgent is None or self.traffic.urgent()

    def give(self, part: Part) -> None:
        """It is there."""
        self.part = part
        self.ready.set()

    def fail(self, failure: AuthMediaError) -> None:
        """It will not come."""
        self.failure = failure
        self.ready.set()
