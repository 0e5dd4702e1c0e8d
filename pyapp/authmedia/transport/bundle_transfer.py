"""The transfer of one bundle: a line of JSON before each part, the part's bytes behind it."""

import asyncio

from authmedia import browser
from authmedia.errors import AuthMediaError, HomeserverUnreachable, ServerFailure
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.error_responses import error_from_errcode
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest, safe_content_type
from authmedia.support.backoff import RateLimitBackoff
from authmedia.support.untrusted import json_object, parse_json
from authmedia.traffic import Traffic
from authmedia.transport.media_requests import batch_entry

BUNDLE_PATH = AUTHMEDIA_PREFIX + "/bundle"
# The length of the line before a part, and of a part with an error.
_MAX_HEAD_BYTES = 1024
# Error codes of single parts: too large for any bundle, and no room left in this one.
_TOO_LARGE = "M_TOO_LARGE"
_BUNDLE_FULL = "DEV.AUTHMEDIA.BUNDLE_FULL"


class Part:
    """One media out of a bundle: its body, and the content type that the homeserver gives it."""

    __slots__ = ("body", "content_type")

    def __init__(self, body: browser.Blob, content_type: str) -> None:
        self.body = body
        self.content_type = content_type


class PendingPart:
    """One media that waits for its part."""

    __slots__ = ("done", "failure", "part", "request", "traffic")

    def __init__(self, request: MediaRequest, traffic: Traffic) -> None:
        self.request = request
        self.traffic = traffic
        #: Set on success and on failure, and when the request is cancelled.
        self.done = asyncio.Event()
        self.part: Part | None = None
        self.failure: AuthMediaError | None = None

    @property
    def is_urgent(self) -> bool:
        """Whether the media's place is visible, as far as that is known."""
        return self.traffic.is_urgent is None or self.traffic.is_urgent()

    def complete(self, part: Part) -> None:
        """Completes with a part."""
        self.part = part
        self.done.set()

    def fail(self, failure: AuthMediaError) -> None:
        """Completes with a failure."""
        self.failure = failure
        self.done.set()


class BundleTransfer:
    """One request for a bundle, and the media that wait for its parts.

    :param parts: the media, in the order in which they are requested.
    :param backoff: records a 429.
    """

    __slots__ = ("_answered", "_backoff", "_done", "_homeserver", "_parts", "_served", "_task", "_unserved")

    def __init__(self, homeserver: Homeserver, parts: "list[PendingPart]", backoff: RateLimitBackoff) -> None:
        self._homeserver = homeserver
        self._backoff = backoff
        self._parts = parts
        self._answered: set[int] = set()
        # Whether at least one media got its part, or an error of its own.
        self._served = False
        self._unserved: list[PendingPart] = []
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> "list[PendingPart]":
        """Completes the pending parts; returns those that belong into another bundle."""
        if not self._done.is_set():  # as it is where it was aborted before it started
            self._task = browser.create_task(self._transfer())
        await self._done.wait()
        return [pending for pending in self._unserved if not pending.done.is_set()]

    def abort_if_abandoned(self) -> None:
        """Aborts the transfer if no media waits for it any more."""
        if all(pending.done.is_set() for pending in self._parts):
            self.abort()

    def abort(self) -> None:
        """Aborts the transfer."""
        if self._task:
            self._task.cancel()
        self._done.set()

    async def _transfer(self) -> None:
        failure: AuthMediaError = HomeserverUnreachable("The transfer broke off")
        try:
            await self._read_parts()
        except AuthMediaError as error:
            failure = error
            self._backoff.record(error)
        except browser.BrowserError as error:
            failure = HomeserverUnreachable("The transfer broke off", words=error.words)
        finally:
            self._finish(failure)

    async def _read_parts(self) -> None:
        body = {"media": [batch_entry(pending.request) for pending in self._parts]}
        # The one request is counted for its first media, so that sums over media are right.
        traffic = self._parts[0].traffic
        response = await self._homeserver.request("POST", BUNDLE_PATH, body, traffic)
        try:
            reader = response.reader()
            while await self._read_part(reader):
                continue
        finally:
            response.abort()  # nothing is expected behind the last part

    def _finish(self, failure: AuthMediaError) -> None:
        """Collects the media without a part for another bundle, or fails them all if this one served none."""
        missing = [pending for pending in self._parts if not pending.done.is_set()]
        if self._served:
            self._unserved = missing
        else:
            for pending in missing:
                pending.fail(failure.for_media(pending.request.mxc))
        self._done.set()

    async def _read_part(self, reader: browser.BodyReader) -> bool:
        """Reads one part; returns whether there was one."""
        line = await reader.read_line(_MAX_HEAD_BYTES)
        if not line:
            return False
        pending, status, content_type, length = self._parse_head(line)
        body = await reader.read_blob(length, safe_content_type(content_type))
        if body is None:
            return False
        if status == 200:
            self._served = True
            pending.complete(Part(body, content_type))
        else:
            self._fail_part(pending, status, await body.first_line(_MAX_HEAD_BYTES))
        return True

    def _parse_head(self, line: str) -> "tuple[PendingPart, int, str, int]":
        try:
            head = parse_json(line)
            number, status, length = int(head["part"]), int(head["status"]), int(head["length"])
            if number < 0 or length < 0 or number in self._answered:
                raise ValueError
            pending = self._parts[number]
            self._answered.add(number)
            return pending, status, str(head["type"]), length
        except (ValueError, KeyError, TypeError, IndexError, OverflowError):  # the last of 1e999
            failure = ServerFailure("The homeserver's answer is no bundle")
        raise failure

    def _fail_part(self, pending: PendingPart, status: int, text: str) -> None:
        body = json_object(parse_json(text))
        errcode = str(body.get("errcode", ""))
        if errcode == _BUNDLE_FULL:
            return  # it is requested again, with all others that got no part
        self._served = True
        if errcode == _TOO_LARGE and status == 413:  # for the bundle; with 502, for the homeserver
            pending.done.set()  # without a part: the strategy requests it by itself
        else:
            failure = error_from_errcode(errcode, f"{errcode}: {body.get('error', '')}", status)
            pending.fail(failure.for_media(pending.request.mxc))
