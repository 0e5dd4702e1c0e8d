"""A session with a homeserver: its address, the access token, and requests that carry it."""

import asyncio
import json

from authmedia import browser
from authmedia.errors import LinksUnsupported, MediaNotFound
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.http import read_json_object, read_text, request_url
from authmedia.matrix.preflight_counter import PreflightCounter
from authmedia.matrix.urls import BaseUrl
from authmedia.support.netstrings import netstrings
from authmedia.support.untrusted import parse_json
from authmedia.traffic import Traffic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Homeserver:
    """One account's session with its homeserver.

    >>> homeserver = Homeserver("https://matrix.example.org", "@ana:example.org", access_token)

    :param base_url: the homeserver's base URL for clients.
    :param user_id: whose session it is.
    :param access_token: stays in this object; it is sent in the ``Authorization`` header and nowhere else.
    :raises MalformedAddress: if ``base_url`` is not an http or https URL, or has more in it than a path.
    """

    __slots__ = (
        "_access_token",
        "_config",
        "_config_lock",
        "_preflights",
        "account_key",
        "base_url",
        "origin",
        "user_id",
    )

    def __init__(self, base_url: str, user_id: str, access_token: str) -> None:
        url = BaseUrl(base_url)
        self.base_url = url.href
        #: The only origin that the access token is sent to.
        self.origin = url.origin
        self.user_id = user_id
        #: Names the account in whatever outlives the page: any homeserver can claim a user id, so that is not enough.
        self.account_key = netstrings(url.href, user_id)
        self._access_token = access_token
        self._preflights = PreflightCounter(url.origin)
        self._config: dict[str, Any] = {}
        self._config_lock = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Homeserver({self.base_url!r}, {self.user_id!r})"

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

    async def request_config(self) -> "dict[str, Any]":
        """Returns what the homeserver offers beyond Matrix itself: links, bundles, and their limits. Cached.

        :raises AuthMediaError: of the class that fits what happened; then the next call requests it again.
        """
        async with self._config_lock:
            self._config = self._config or await self.request_json("GET", AUTHMEDIA_PREFIX + "/config")
        return self._config

    async def request(
        self,
        method: str,
        path: str,
        body: "dict[str, Any] | None" = None,
        traffic: Traffic | None = None,
        credentials: str = "omit",
    ) -> browser.Response:
        """Requests an endpoint with this session's token; the body of the response is still arriving.

        :param path: from the root of the homeserver, such as ``/_matrix/client/v3/sync``.
        :param body: is sent as JSON.
        :param traffic: counts the request and its preflight, if they belong to a media.
        :param credentials: ``include`` where the response is to set a cookie.
        :raises AuthMediaError: of the class that fits what happened.
        """
        headers = self.auth_headers()
        text = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            text = json.dumps(body)
        url = self.base_url + path
        preflights = self._preflights.count(url, headers)  # in any case: it updates the cache of preflights
        if traffic:
            traffic.requests += 1
            traffic.preflights += preflights
        # Responses to a POST, and those of our endpoints, are not cached in any case. With `no-store`, Chromium would
        # not even look into its cache of preflights.
        cache = "default" if method != "GET" or path.startswith(AUTHMEDIA_PREFIX) else "no-store"
        try:
            return await request_url(
                url, method=method, headers=headers, body=text, credentials=credentials, cache=cache
            )
        except MediaNotFound as error:
            if not path.startswith(AUTHMEDIA_PREFIX):
                raise
            words = error.words
        # Our endpoints respond for each media by itself, so it is the endpoint that is missing: behind a proxy, say.
        raise LinksUnsupported("The homeserver does not have this endpoint", words=words)

    def auth_headers(self) -> dict[str, str]:
        """Returns the headers of an authenticated request, for `browser` alone: never for a URL, element or log."""
        return {"Authorization": f"Bearer {self._access_token}"}

    async def hmac_with_token(self, text: str) -> str:
        """Returns an HMAC-SHA256 of a text, as base64url, whose key is the access token: it proves its possession."""
        return await browser.hmac_sha256(self._access_token, text)

    def count_preflight(self, url: str, traffic: Traffic) -> None:
        """Counts the preflight of an authenticated request that is sent by other means than `request`."""
        traffic.preflights += self._preflights.count(url, self.auth_headers())


async def log_in(base_url: str, user: str, password: str) -> "tuple[str, str]":
    """Logs in with a password; returns the user id and the access token.

    https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3login

    :param user: a user id or its localpart.
    :raises AuthMediaError: of the class that fits what happened.
    """
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": user},
        "password": password,
        "initial_device_display_name": "authmedia",
    }
    headers = {"Content-Type": "application/json"}
    url = BaseUrl(base_url).href + "/_matrix/client/v3/login"
    session = await read_json_object(await request_url(url, method="POST", headers=headers, body=json.dumps(body)))
    return str(session["user_id"]), str(session["access_token"])
