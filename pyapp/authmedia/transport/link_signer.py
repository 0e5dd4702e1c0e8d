"""Signs links in the page, with a key that the homeserver issues for one session and one bucket of time."""

import asyncio
from hashlib import sha256

from authmedia import browser
from authmedia.errors import AuthMediaError, ServerFailure, StrategyUnsupported
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX, PROBE_ID
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.urls import percent_encode
from authmedia.media import MediaRequest
from authmedia.support.backoff import RateLimitBackoff
from authmedia.support.untrusted import finite_number
from authmedia.traffic import Traffic
from authmedia.transport.links import Link, is_http_url, usable_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KEY_PATH = AUTHMEDIA_PREFIX + "/key"
_SIGNED_PATH = AUTHMEDIA_PREFIX + "/signed/"
_HASH_BLOCK_BYTES = 64
# The least and the greatest delay before a key is renewed, and the delay after a renewal that brought no other key.
_MIN_RENEWAL_S, _MAX_RENEWAL_S, _RETRY_S = 0.05, 600.0, 60.0


class LinkKey:
    """A key that signs links until its bucket ends, and that stays in memory.

    The HMAC is computed here rather than by WebCrypto, whose promise costs more than the two hashes do: on MicroPython
    11 microseconds a link, against 16 to 20 for a batch in one crossing. Nor would a key that scripts cannot read hide
    anything from them, since the access token beside it can fetch another. https://www.rfc-editor.org/rfc/rfc2104

    :param issued: the homeserver's answer.
    :param requested_ms: when it was requested, in milliseconds since 1970 on this device's clock.
    :raises ValueError: if the answer is no key.
    """

    __slots__ = ("_inner", "_outer", "base_url", "named_base_url", "query", "renew_at_ms", "secret", "valid_until_ms")

    def __init__(self, issued: "dict[str, Any]", requested_ms: float) -> None:
        self.secret = str(issued.get("key"))
        block = bytes.fromhex(self.secret)
        expires_ts, left_ms = issued.get("expires_ts"), finite_number(issued.get("expires_in_ms"))
        #: What the homeserver would have its links begin with, and what they do begin with.
        self.named_base_url: str = issued.get("base_url", "")
        self.base_url = self.named_base_url
        if len(block) != 32 or not isinstance(expires_ts, int) or not is_http_url(self.base_url):
            raise ValueError("not a key")
        block += bytes(_HASH_BLOCK_BYTES - len(block))
        self._inner = bytes([byte ^ 0x36 for byte in block])
        self._outer = bytes([byte ^ 0x5C for byte in block])
        #: The part of a link that all have in common.
        self.query = f"?k={issued.get('key_id')}&e={expires_ts}&s={issued.get('session')}"
        if not all("!" <= character <= "~" for character in self.query):
            raise ValueError("no part of a URL")
        self.valid_until_ms = requested_ms + usable_ms(left_ms)
        #: When another key is to be requested, while this one is still valid.
        self.renew_at_ms = min(requested_ms + finite_number(issued.get("renew_in_ms")), self.valid_until_ms)

    def __repr__(self) -> str:
        return "LinkKey()"

    @property
    def is_valid(self) -> bool:
        """Whether its links may be given to elements."""
        return self.valid_until_ms > browser.epoch_ms()

    def sign(self, request: MediaRequest, revision: int) -> str:
        """Returns the URL of a link, in the one spelling that the homeserver accepts.

        :param revision: makes another URL of the same media; 0 for none.
        """
        server_name = request.server_name
        if "[" in server_name:
            server_name = server_name.replace("[", "%5B").replace("]", "%5D")
        parts = [_SIGNED_PATH, server_name, "/", request.media_id, self.query]
        if request.is_thumbnail:
            parts += ["&w=", str(request.width), "&h=", str(request.height), "&m=", request.method]
            if request.animated:
                parts.append("&a=1")
        if request.kind == "file":
            parts.append("&d=1")  # for another origin only the server can have a browser save it
            if request.file_name:
                parts += ["&n=", percent_encode(request.file_name)]
        if revision:
            parts += ["&r=", str(revision)]
        path = "".join(parts)
        inner = sha256(self._inner + path.encode()).digest()
        return "".join((self.base_url, path, "&dsig=", sha256(self._outer + inner).digest().hex()))


class LinkSigner:
    """Makes one session's links without a request for each: one request in a bucket of time brings the key.

    The first key is part of what the homeserver says of its limits. The next one is requested when the bucket ends,
    while this one is still valid: as long, the pictures that it has signed keep their URLs, by which the browser caches
    them. A renewed access token changes nothing.
    """

    __slots__ = (
        "_homeserver",
        "_is_offer_used",
        "_key",
        "_picture_keys",
        "_renewal",
        "_request",
        "_revisions",
        "_task",
        "backoff",
    )

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._key: LinkKey | None = None
        # What the link of each picture was signed with.
        self._picture_keys: dict[str, LinkKey] = {}
        # Whether the key that came with the homeserver's limits was used: it does not change.
        self._is_offer_used = False
        # By the keys of media whose URL has to differ from what a cache may have.
        self._revisions: dict[str, int] = {}
        self._request: _KeyRequest | None = None
        self._task: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        #: Delays the next request for a key after a 429.
        self.backoff = RateLimitBackoff(browser.now_ms)

    async def warm_up(self) -> str:
        """Requests the key, so that it is there for the first link.

        :returns: a link to no media, as the homeserver would have it, which shows whether links arrive as they are.
        :raises AuthMediaError: if the homeserver refuses, or does not issue keys.
        """
        key = await self._current_key(Traffic())
        server_name = self._homeserver.user_id.partition(":")[2]
        url = key.sign(MediaRequest(f"mxc://{server_name}/{PROBE_ID}"), 0)
        return key.named_base_url + url[len(key.base_url) :]

    def correct_address(self) -> None:
        """Has links lead to where they arrive."""
        key = self._key
        base_url = self._homeserver.link_addresses.base_of(key.named_base_url) if key else ""
        if key and key.base_url != base_url:
            key.base_url = base_url
            self._picture_keys = {}

    async def request_link(self, request: MediaRequest, traffic: Traffic) -> Link:
        """Returns a valid link, at once if there is a key.

        :raises AuthMediaError: if the homeserver refuses.
        """
        revision = self._revisions.get(request.key, 0)
        for key in (self._picture_keys.get(request.key), self._key):
            if key and key.is_valid:
                break
        else:
            key = await self._wait_for_key(request, traffic)
        if request.kind == "image":  # a player takes the link that is valid for the longest time
            self._picture_keys[request.key] = key
        return Link(key.sign(request, revision), key.valid_until_ms)

    def invalidate(self, key: str, url: str, refused: bool) -> None:
        """Ends the use of the key that signed a link which the homeserver refused, unless another one replaced it."""
        for signer in (self._picture_keys.get(key), self._key):
            if refused and signer and signer.query in url:
                signer.valid_until_ms = 0.0

    def replace(self, key: str, url: str) -> None:
        """Gives a media another URL, if the present one is this one: the browser caches its response incompletely."""
        if f"&r={self._revisions[key]}&" in url if key in self._revisions else "&r=" not in url:
            self.renew(key)

    def renew(self, key: str) -> None:
        """Makes the next link of a media a URL new to any cache."""
        self._revisions[key] = max(int(browser.epoch_ms()), self._revisions.get(key, 0) + 1)

    async def remove(self, key: str | None) -> None:
        """Forgets the key and all that was made with it; for one media there is nothing to remove."""
        if key is None:
            self.close()
            self._revisions = {}

    def close(self) -> None:
        """Forgets the keys, and cancels requests for another one."""
        self._key = None
        self._picture_keys = {}
        for task in (self._task, self._renewal):
            if task:
                task.cancel()
        self._task = self._renewal = None
        if self._request:
            self._request.done.set()
            self._request = None

    # --- the key -----------------------------------------------------------------------------------------------------

    async def _current_key(self, traffic: Traffic) -> LinkKey:
        """Returns a valid key; all that wait for one share one request."""
        if self._key and self._key.is_valid:
            return self._key
        return await self._request_key(traffic)

    async def _wait_for_key(self, request: MediaRequest, traffic: Traffic) -> LinkKey:
        try:
            return await self._current_key(traffic)
        except AuthMediaError as error:
            failure = error
        raise failure.for_media(request.mxc)

    async def _request_key(self, traffic: Traffic) -> LinkKey:
        request = self._request
        if not request:
            request = self._request = _KeyRequest()
            self._task = browser.create_task(self._run(request, traffic))
        await request.done.wait()
        if request.key:
            return request.key
        raise request.failure or ServerFailure("There is no key for links")

    async def _run(self, request: "_KeyRequest", traffic: Traffic) -> None:
        try:
            key = await self._fetch_key(traffic)
            key.base_url = self._homeserver.link_addresses.base_of(key.named_base_url)
            request.key = self._key = key
            if not self._renewal:
                self._renewal = browser.create_task(self._renew_ahead())
        except AuthMediaError as error:
            self.backoff.record(error)
            request.failure = error
        finally:
            if self._request is request:
                self._request = None
            request.done.set()

    async def _fetch_key(self, traffic: Traffic) -> LinkKey:
        await self.backoff.wait()
        if not self._is_offer_used:
            config = await self._homeserver.request_config(traffic)
            issued = config.get("delegated")
            if not isinstance(issued, dict):
                words = "delegated is null for this session" if "delegated" in config else "delegated is off"
                raise StrategyUnsupported("The homeserver issues no keys for links", words=words)
            key = _parse_key(issued, config["requested_ms"])
            self._is_offer_used = True
            if key.is_valid:
                return key
        requested_ms = browser.epoch_ms()
        return _parse_key(await self._homeserver.request_json("POST", _KEY_PATH, {}, traffic=traffic), requested_ms)

    async def _renew_ahead(self) -> None:
        """Requests the next key when the bucket ends; ends with a key that has expired, and the next link renews it."""
        while self._key and self._key.is_valid:
            key = self._key
            left_s = (key.renew_at_ms - browser.epoch_ms()) / 1000
            # Wakes up from time to time in any case: a device that slept is late.
            await asyncio.sleep(min(max(left_s, _MIN_RENEWAL_S), _MAX_RENEWAL_S))
            if key is not self._key or key.renew_at_ms > browser.epoch_ms():
                continue
            try:
                key = await self._request_key(Traffic())
            except AuthMediaError:
                pass  # when this key expires, the next link requests another one and reports the failure
            now_ms = browser.epoch_ms()
            if key.renew_at_ms <= now_ms:  # it is the same one still, or there was no answer
                key.renew_at_ms = now_ms + _RETRY_S * 1000
        self._renewal = None


class _KeyRequest:
    """A request for a key, and its outcome."""

    __slots__ = ("done", "failure", "key")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.key: LinkKey | None = None
        self.failure: AuthMediaError | None = None


def _parse_key(issued: "dict[str, Any]", requested_ms: float) -> LinkKey:
    """Parses the homeserver's answer.

    :raises ServerFailure: if it is no key.
    """
    try:
        return LinkKey(issued, requested_ms)
    except (ValueError, TypeError, OverflowError):
        failure = ServerFailure("The homeserver's answer is no key for links")
    raise failure
