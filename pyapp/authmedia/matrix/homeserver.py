"""A session with a homeserver: its address, the access token, JSON calls and the paths of media."""

import asyncio
import json

from authmedia import browser
from authmedia.errors import (
    AuthMediaError,
    Forbidden,
    HomeserverUnreachable,
    LinksUnsupported,
    MediaNotFound,
    RateLimited,
    ServerFailure,
    SessionExpired,
)
from authmedia.media import MediaRequest
from authmedia.support.untrusted import finite_number, json_object, parse_json
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LINKS_PREFIX = "/_matrix/client/unstable/dev.authmedia/media"
MEDIA_PREFIX = "/_matrix/client/v1/media"

# What a browser remembers of a preflight whose answer names no Access-Control-Max-Age, and what ours name; Chromium
# caps it at two hours. https://fetch.spec.whatwg.org/#concept-cache
_DEFAULT_MAX_AGE_S = 5
_OWN_MAX_AGE_S = 7200


class Preflights:
    """Counts the CORS preflights that the Fetch standard asks for, since no page is shown them.

    A request to another origin that carries ``Authorization`` or JSON is preceded by an OPTIONS of its own URL, unless
    an earlier answer is still remembered. https://fetch.spec.whatwg.org/#cors-preflight-fetch
    """

    __slots__ = ("_remembered",)

    def __init__(self) -> None:
        self._remembered: dict[str, float] = {}

    def count(self, url: str, headers: dict[str, str]) -> int:
        """How many preflights (0 or 1) a request for ``url`` brings about now."""
        if not headers or origin_of(url) == browser.page_origin():
            return 0
        now = browser.now_ms()
        if self._remembered.get(url, 0) > now:
            return 0
        max_age = _OWN_MAX_AGE_S if LINKS_PREFIX in url else _DEFAULT_MAX_AGE_S
        self._remembered[url] = now + 1000 * max_age
        return 1


def origin_of(url: str) -> str:
    """The scheme, host and port of an absolute URL."""
    scheme, _, rest = url.partition("://")
    return scheme + "://" + rest.split("/")[0].split("?")[0]


def percent_encoded(text: str) -> str:
    """A text as one segment of a path or one value of a query (RFC 3986, unreserved characters stay)."""
    kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(chr(byte) if chr(byte) in kept else f"%{byte:02X}" for byte in text.encode())


class Homeserver:
    """One account's session with its homeserver.

    :param base_url: the homeserver's address for clients, such as ``https://matrix.example.org``.
    :param user_id: whose session it is, such as ``@ana:example.org``.
    :param access_token: stays in this object; it is sent in the ``Authorization`` header and nowhere else.
    """

    __slots__ = ("_access_token", "_asking", "_offer", "_preflights", "base_url", "user_id")

    def __init__(self, base_url: str, user_id: str, access_token: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.user_id = user_id
        self._access_token = access_token
        self._preflights = Preflights()
        self._offer: dict[str, Any] = {}
        self._asking = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Homeserver({self.base_url!r}, {self.user_id!r})"

    async def call(
        self,
        method: str,
        path: str,
        body: "dict[str, Any] | None" = None,
        *,
        traffic: Traffic | None = None,
        credentials: str = "omit",
    ) -> "dict[str, Any]":
        """Calls a JSON endpoint with this session's token.

        :param path: from the root of the homeserver, such as ``/_matrix/client/v3/sync``.
        :param traffic: where the request and its preflight are counted, if they are some media's.
        :param credentials: ``include`` where the answer is to set a cookie.
        :raises AuthMediaError: of the class that fits what happened.
        """
        return await _json_object(await self.respond(method, path, body, traffic, credentials))

    async def offer(self) -> "dict[str, Any]":
        """What the homeserver offers beyond Matrix itself: links, bundles, and their limits. Asked once.

        :raises AuthMediaError: of the class that fits what happened; then it is asked again the next time.
        """
        async with self._asking:
            self._offer = self._offer or await self.call("GET", LINKS_PREFIX + "/config")
        return self._offer

    async def call_list(self, method: str, path: str) -> "list[dict[str, Any]]":
        """Calls a JSON endpoint that answers with a list of objects.

        :raises AuthMediaError: of the class that fits what happened.
        """
        answer = parse_json(await text_of(await self.respond(method, path)))
        return [entry for entry in answer if isinstance(entry, dict)] if isinstance(answer, list) else []

    async def fetch_media(self, request: MediaRequest, traffic: Traffic) -> browser.Response:
        """Asks for a media or its thumbnail with this session's token; the body is still on its way.

        https://spec.matrix.org/latest/client-server-api/#get_matrixclientv1mediadownloadservernamemediaid

        :raises AuthMediaError: of the class that fits what happened.
        """
        try:
            return await self._ask(media_path(request), traffic, self.headers())
        except AuthMediaError as error:
            failure = error
        raise failure.about(request.mxc)

    async def respond(
        self,
        method: str,
        path: str,
        body: "dict[str, Any] | None" = None,
        traffic: Traffic | None = None,
        credentials: str = "omit",
    ) -> browser.Response:
        """Calls an endpoint as `call` does; the body, whatever it is, is still on its way.

        :raises AuthMediaError: of the class that fits what happened.
        """
        headers = self.headers()
        text = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            text = json.dumps(body)
        try:
            return await self._ask(path, traffic, headers, method=method, body=text, credentials=credentials)
        except MediaNotFound as error:
            if not path.startswith(LINKS_PREFIX):
                raise
            words = error.words
        # Not of a media, each of which has an answer of its own: a proxy, say, does not pass our endpoints on.
        raise LinksUnsupported("The homeserver does not have this endpoint", words=words)

    def headers(self) -> dict[str, str]:
        """What a request of this session carries. It is for `browser` alone: never a URL, an element or a log."""
        return {"Authorization": f"Bearer {self._access_token}"}

    async def prove(self, text: str) -> str:
        """An HMAC-SHA256 of a text whose key is the access token, as base64url: proof of it, without saying it."""
        return await browser.hmac_sha256(self._access_token, text)

    def count_preflight(self, url: str, traffic: Traffic) -> None:
        """Counts the preflight of a request with this session's header, whoever makes it."""
        traffic.preflights += self._preflights.count(url, self.headers())

    async def _ask(
        self,
        path: str,
        traffic: Traffic | None,
        headers: dict[str, str],
        *,
        method: str = "GET",
        body: str | None = None,
        credentials: str = "omit",
    ) -> browser.Response:
        url = self.base_url + path
        preflights = self._preflights.count(url, headers)  # which is remembered, whoever asked
        if traffic:
            traffic.requests += 1
            traffic.preflights += preflights
        # Nobody keeps what a POST is answered with, or what says itself that it is not to be kept, as our endpoints do.
        # Told so once more, Chromium would not even look whether it knows the preflight.
        cache = "default" if method != "GET" or path.startswith(LINKS_PREFIX) else "no-store"
        return await ask(url, method=method, headers=headers, body=body, credentials=credentials, cache=cache)


def media_path(request: MediaRequest) -> str:
    """Where the client-server API has a media or its thumbnail, from the root of the homeserver."""
    form = "thumbnail" if request.is_thumbnail else "download"
    return f"{MEDIA_PREFIX}/{form}/{request.server_name}/{request.media_id}{request.thumbnail_query}"


def wish(request: MediaRequest) -> "dict[str, Any]":
    """A media as one entry of a batch of links, or of a bundle, names it."""
    entry: dict[str, Any] = {"mxc": request.mxc}
    if request.kind == "file":
        entry["download"] = True  # to be saved, not shown; from another origin only the server can say so
    if request.is_thumbnail:
        entry["thumbnail"] = {
            "width": request.width,
            "height": request.height,
            "method": request.method,
            "animated": request.animated,
        }
    return entry


async def log_in(base_url: str, user: str, password: str) -> "tuple[str, str]":
    """Signs in with a password; gives the user id and the access token.

    https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3login

    :raises AuthMediaError: of the class that fits what happened.
    """
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
        "initial_device_display_name": "authmedia",
    }
    headers = {"Content-Type": "application/json"}
    url = base_url.rstrip("/") + "/_matrix/client/v3/login"
    answer = await _json_object(await ask(url, method="POST", headers=headers, body=json.dumps(body)))
    return str(answer["user_id"]), str(answer["access_token"])


async def ask(
    url: str,
    *,
    method: str = "GET",
    headers: "dict[str, str] | None" = None,
    body: str | None = None,
    credentials: str = "omit",
    cache: str = "no-store",
) -> browser.Response:
    """A request whose failures are errors of ours, whatever the interpreter.

    :raises AuthMediaError: `HomeserverUnreachable` if no answer came, else by status and Matrix error code.
    """
    failure: AuthMediaError
    try:
        response = await browser.fetch(
            url, method=method, headers=headers, body=body, credentials=credentials, cache=cache
        )
        if response.status < 400:
            return response
        failure = await refusal(response)
    except browser.BrowserError as error:
        failure = HomeserverUnreachable(f"No answer from {origin_of(url)}", words=error.words)
    raise failure


async def text_of(response: browser.Response) -> str:
    """A body as text.

    :raises HomeserverUnreachable: if it breaks off.
    """
    try:
        return await response.text()
    except browser.BrowserError as error:
        failure = HomeserverUnreachable("The answer broke off", words=error.words)
    raise failure


async def refusal(response: browser.Response) -> AuthMediaError:
    """The error that fits an answer of 400 and above. https://spec.matrix.org/latest/client-server-api/#standard-error-response"""
    answer = json_object(parse_json(await response.text()))
    errcode = str(answer.get("errcode", ""))
    words = f"{errcode}: {answer.get('error', '')}" if errcode else f"HTTP {response.status}"
    if errcode == "M_LIMIT_EXCEEDED" or response.status == 429:
        return RateLimited("Too many requests", words=words, retry_after_s=_retry_after(response, answer))
    return refused(errcode, words, response.status)


def refused(errcode: str, words: str, status: int = 0) -> AuthMediaError:
    """The error that fits a Matrix error code, as it stands in an answer or in one entry of a batch."""
    if errcode in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN") or status == 401:
        return SessionExpired("The homeserver does not know this session", words=words)
    if errcode == "M_UNRECOGNIZED" or status == 405:
        return LinksUnsupported("The homeserver does not have this endpoint", words=words)
    if errcode == "M_NOT_FOUND" or status == 404:
        return MediaNotFound("There is no such media", words=words)
    if errcode in ("M_FORBIDDEN", "M_GUEST_ACCESS_FORBIDDEN") or status == 403:
        return Forbidden("The homeserver refused", words=words)
    if errcode == "M_LIMIT_EXCEEDED":
        return RateLimited("Too many requests", words=words)
    if status >= 500 or errcode == "M_UNKNOWN":
        return ServerFailure("The homeserver failed", words=words)
    return AuthMediaError("The homeserver refused", words=words)


def _retry_after(response: browser.Response, answer: "dict[str, Any]") -> float | None:
    """Seconds to wait, from the header (whole seconds) or from the older field of the body (milliseconds)."""
    try:
        return finite_number(int(response.header("Retry-After")))
    except ValueError:  # it is missing, or a date
        return finite_number(answer.get("retry_after_ms")) / 1000 or None


async def _json_object(response: browser.Response) -> "dict[str, Any]":
    answer = parse_json(await text_of(response))
    if not isinstance(answer, dict):
        raise ServerFailure("The homeserver's answer is not JSON; is this the address of a Matrix homeserver?")
    return answer
