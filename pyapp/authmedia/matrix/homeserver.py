"""A session with a homeserver: its address, the access token, and requests that carry it."""

import asyncio
import json

from authmedia import browser
from authmedia.errors import LinksUnsupported, MediaNotFound, TokenRefused, UserDeactivated, UserLocked
from authmedia.matrix.credentials import Credentials
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.http import bearer_headers, read_json_object, read_text, request_url
from authmedia.matrix.link_addresses import LinkAddresses
from authmedia.matrix.preflight_counter import PreflightCounter
from authmedia.matrix.urls import BaseUrl
from authmedia.support.netstrings import netstrings
from authmedia.support.untrusted import parse_json
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from authmedia.errors import AuthMediaError
    from authmedia.matrix.credentials import Renewal
    from authmedia.matrix.request_hooks import RequestHooks
    from authmedia.matrix.server_versions import ServerVersions
    from authmedia.matrix.tokens import Tokens

# How often one request is sent at most, each time with another token.
_MAX_TOKENS = 3


class Homeserver:
    """One account's session with its homeserver.

    >>> homeserver = Homeserver("https://matrix.example.org", "@ana:example.org", access_token)

    :param base_url: the homeserver's base URL for clients.
    :param user_id: whose session it is.
    :param access_token: stays in this object; it is sent in the ``Authorization`` header and nowhere else.
    :param refresh: an async function that returns another access token, or `Tokens`, when this one ends. It is called
        once for all requests that wait for it. It raises `SessionExpired` if the session has ended; any other error is
        taken for a temporary one.
    :param expires_in_ms: how long the access token is valid; it is then renewed a little earlier.
    :param on_session_failure: called once with the error, when no request can succeed any more: `SessionExpired`,
        `UserDeactivated` or `UserLocked`. `set_access_token` lets requests go on.
    :param media_base_url: the base URL of a gateway that serves links for this homeserver, which is given the access
        token as well; by default the homeserver's own.
    :raises MalformedAddress: if a base URL is not an http or https URL, or has more in it than a path.
    """

    __slots__ = (
        "_config",
        "_config_lock",
        "_credentials",
        "_preflights",
        "_versions",
        "account_key",
        "base_url",
        "hooks",
        "link_addresses",
        "media_base_url",
        "open_media_prefix",
        "origin",
        "redirects_media",
        "user_id",
    )

    def __init__(
        self,
        base_url: str,
        user_id: str,
        access_token: str,
        *,
        refresh: "Callable[[], Awaitable[Tokens | str | None]] | None" = None,
        expires_in_ms: float | None = None,
        on_session_failure: "Callable[[AuthMediaError], None] | None" = None,
        media_base_url: str = "",
    ) -> None:
        url = BaseUrl(base_url)
        self.base_url = url.href
        #: What the URLs of our own endpoints begin with.
        self.media_base_url = BaseUrl(media_base_url).href if media_base_url else url.href
        #: Corrects where links lead to.
        self.link_addresses = LinkAddresses(self.media_base_url)
        #: The only origin that the access token is sent to, besides a gateway's.
        self.origin = url.origin
        self.user_id = user_id
        #: What sees the requests of this session.
        self.hooks: tuple[RequestHooks, ...] = ()
        #: Names the account in whatever outlives the page: any homeserver can claim a user id, so that is not enough.
        self.account_key = netstrings(url.href, user_id)
        self._credentials = Credentials(url.href, _open_renewal, refresh, on_session_failure)
        self._credentials.set(access_token, expires_in_ms)
        self._preflights = PreflightCounter(url.origin)
        #: The path of its media if everybody may load them, as before Matrix 1.11; empty as long as nothing said so.
        self.open_media_prefix = ""
        #: Whether it has answered a request for a media with a redirect, as to a storage.
        self.redirects_media = False
        self._config: dict[str, Any] = {}
        self._versions: ServerVersions | None = None
        self._config_lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Homeserver({self.base_url!r}, {self.user_id!r})"

    @property
    def token_generation(self) -> int:
        """Counts the access tokens so far: whatever is derived from the token is derived anew when this changes."""
        return self._credentials.generation

    def set_access_token(self, access_token: str, *, expires_in_ms: float | None = None) -> None:
        """Replaces the access token; requests that wait for a renewal go on with this one.

        :param expires_in_ms: how long it is valid, in milliseconds; ``None`` if that is unknown.
        """
        self._credentials.set(access_token, expires_in_ms)

    async def request_json(
        self,
        method: str,
        path: str,
        body: "dict[str, Any] | None" = None,
        *,
        traffic: Traffic | None = None,
        credentials: str = "omit",
    ) -> "dict[str, Any]":
        """Requests an endpoint and returns the JSON object that it responds with. For the parameters see `request`.

        :raises AuthMediaError: of the class that fits what happened.
        """
        return await read_json_object(await self.request(method, path, body, traffic, credentials))

    async def request_json_list(self, method: str, path: str) -> "list[dict[str, Any]]":
        """Requests an endpoint and returns the JSON objects in the list that it responds with.

        :raises AuthMediaError: of the class that fits what happened.
        """
        body = parse_json(await read_text(await self.request(method, path)))
        return [entry for entry in body if isinstance(entry, dict)] if isinstance(body, list) else []

    async def request_config(self, traffic: Traffic | None = None) -> "dict[str, Any]":
        """Returns what the homeserver offers beyond Matrix itself: links, bundles, and their limits. Cached.

        `requested_ms` in it is when it was requested, in milliseconds since 1970 on this device's clock.

        :param traffic: counts the request, if it belongs to a media.
        :raises AuthMediaError: of the class that fits what happened; then the next call requests it again.
        """
        async with self._config_lock:
            if not self._config:
                requested_ms = browser.epoch_ms()
                config = await self.request_json("GET", AUTHMEDIA_PREFIX + "/config", traffic=traffic)
                config["requested_ms"] = requested_ms
                self._config = config
        return self._config

    async def request_versions(self) -> "ServerVersions":
        """Returns the versions of the specification that the homeserver has. Cached.

        :raises AuthMediaError: of the class that fits what happened; then the next call requests them again.
        """
        from authmedia.matrix.server_versions import request_versions  # modern servers are not asked

        async with self._config_lock:
            self._versions = self._versions or await request_versions(self.base_url, self.hooks)
        return self._versions

    async def request(
        self,
        method: str,
        path: str,
        body: "dict[str, Any] | None" = None,
        traffic: Traffic | None = None,
        credentials: str = "omit",
        headers: "dict[str, str] | None" = None,
    ) -> browser.Response:
        """Requests an endpoint with this session's token; the body of the response is still arriving.

        :param path: from the root of the homeserver, such as ``/_matrix/client/v3/sync``.
        :param body: is sent as JSON.
        :param traffic: counts the request and its preflight, if they belong to a media.
        :param credentials: ``include`` where the response is to set a cookie.
        :param headers: additional headers.
        :raises AuthMediaError: of the class that fits what happened.
        """
        text = None if body is None else json.dumps(body)
        renewed = False
        for attempt in range(_MAX_TOKENS):
            token = await self._credentials.current()
            try:
                return await self._send(method, path, token, text, traffic, credentials, headers or {})
            except TokenRefused as error:
                refusal = error
            except (UserLocked, UserDeactivated) as error:
                self._credentials.end(error)
                raise
            if attempt < _MAX_TOKENS - 1:
                renewed = await self._credentials.after(token, refusal, renewed)
        raise refusal

    async def _send(
        self,
        method: str,
        path: str,
        token: str,
        body: str | None,
        traffic: Traffic | None,
        credentials: str,
        more_headers: dict[str, str],
    ) -> browser.Response:
        headers = bearer_headers(token)
        headers.update(more_headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = (self.media_base_url if path.startswith(AUTHMEDIA_PREFIX) else self.base_url) + path
        preflights = self._preflights.count(url, headers)  # in any case: it updates the cache of preflights
        if traffic:
            traffic.requests += 1
            traffic.preflights += preflights
        # Responses to a POST, and those of our endpoints, are not cached in any case. With `no-store`, Chromium would
        # not even look into its cache of preflights.
        cache = "default" if method != "GET" or path.startswith(AUTHMEDIA_PREFIX) else "no-store"
        try:
            return await request_url(
                url,
                method=method,
                headers=headers,
                body=body,
                credentials=credentials,
                cache=cache,
                hooks=self.hooks,
            )
        except MediaNotFound as error:
            if not path.startswith(AUTHMEDIA_PREFIX):
                raise
            words = error.words
        # Our endpoints respond for each media by itself, so it is the endpoint that is missing: behind a proxy, say.
        raise LinksUnsupported("The homeserver does not have this endpoint", words=words)

    async def auth_headers(self, refused: "dict[str, str] | None" = None) -> dict[str, str]:
        """Returns the headers of an authenticated request, for `browser` alone: never for a URL, element or log.

        :param refused: the headers that the homeserver has refused with ``M_UNKNOWN_TOKEN`` just now.
        :raises AuthMediaError: if the session has ended, or has no valid token at the moment.
        """
        token = await self._credentials.current()
        if refused == bearer_headers(token):
            await self._credentials.after(token, TokenRefused("The homeserver refused the access token"), False)
            token = self._credentials.token
        return bearer_headers(token)

    async def hmac_with_token(self, text: str) -> str:
        """Returns an HMAC-SHA256 of a text, as base64url, whose key is the access token: it proves its possession."""
        return await browser.hmac_sha256(await self._credentials.current(), text)

    def count_preflight(self, url: str, traffic: Traffic) -> None:
        """Counts the preflight of an authenticated request that is sent by other means than `request`."""
        traffic.preflights += self._preflights.count(url, {"Authorization": ""})


def _open_renewal(credentials: Credentials) -> "Renewal":
    from authmedia.matrix.token_renewal import TokenRenewal

    return TokenRenewal(credentials)
