"""`blocking`, a baseline: what a Python programmer writes first, with urllib and the bytes in Python.

It works on Pyodide, through `pyodide-http`. Meanwhile the whole page is blocked, one media after another; each body is
copied into Python and out again; and nothing can be cancelled.
"""

import asyncio
import sys

from authmedia import browser
from authmedia.errors import AuthMediaError, HomeserverUnreachable, RateLimited, TokenRefused
from authmedia.matrix.endpoints import MEDIA_PREFIX
from authmedia.matrix.error_responses import error_from_errcode
from authmedia.media import NETWORK, Media, MediaRequest, Support
from authmedia.strategies.base import Strategy
from authmedia.support.untrusted import json_object, parse_json
from authmedia.traffic import Traffic
from authmedia.transport.media_requests import media_path
from authmedia.transport.object_urls import safe_body
from authmedia.transport.open_media import find_open_media, open_media_url


class BlockingStrategy(Strategy):
    """Requests each media with urllib, and opens it as an object URL of the bytes."""

    name = "blocking"

    async def support(self) -> Support:
        """Requests the homeserver's versions in the same way."""
        if sys.implementation.name == "micropython":
            return Support(False, "MicroPython has no urllib: open this page with ?interpreter=pyodide")
        try:
            await self._request("/_matrix/client/versions", Traffic())
            await find_open_media(self.homeserver)
        except AuthMediaError as error:
            return Support(False, error.words or error.summary, error)
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """Sends one request, which blocks the page."""
        await asyncio.sleep(0)  # the only moment in which the page can be painted
        try:
            body, content_type = await self._request(media_path(request), traffic)
        except AuthMediaError as error:
            failure = error.for_media(request.mxc)
        else:
            traffic.bytes += len(body)
            shown = await safe_body(request, browser.bytes_blob(body, ""), content_type)
            return Media(
                request,
                shown.create_object_url(),
                strategy=self.name,
                source=NETWORK,
                traffic=traffic,
                content_type=shown.content_type,
                size=len(body),
            )
        raise failure

    def dispose(self, media: Media) -> None:
        """Revokes the object URL, which frees the browser's copy of the body."""
        browser.revoke_object_url(media.src)

    async def _request(self, path: str, traffic: Traffic) -> "tuple[bytes, str]":
        if self.homeserver.open_media_prefix and path.startswith(MEDIA_PREFIX):
            return self._send(open_media_url(self.homeserver, path), {}, traffic)
        url, headers = self.homeserver.base_url + path, await self.homeserver.auth_headers()
        try:
            return self._send(url, headers, traffic)
        except TokenRefused:
            renewed = await self.homeserver.auth_headers(headers)
        return self._send(url, renewed, traffic)

    def _send(self, url: str, headers: dict[str, str], traffic: Traffic) -> "tuple[bytes, str]":
        # Only Pyodide has these, and only this baseline needs them.
        import urllib.error
        import urllib.request

        import pyodide_http

        pyodide_http.patch_urllib()
        traffic.requests += 1
        if headers:
            self.homeserver.count_preflight(url, traffic)
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as response:
                status, body = int(response.status), bytes(response.read())
                content_type = response.headers.get("Content-Type") or ""
        except OSError as error:  # pyodide-http turns whatever the browser says into one
            raise HomeserverUnreachable("No answer came", words=str(error))
        if status >= 400:
            raise _error(status, body)
        return body, content_type


def _error(status: int, body: bytes) -> AuthMediaError:
    content = json_object(parse_json(body))
    errcode = str(content.get("errcode", ""))
    words = f"{errcode}: {content.get('error', '')}" if errcode else f"HTTP {status}"
    if status == 429:
        return RateLimited("Too many requests", words=words)
    return error_from_errcode(errcode, words, status)


STRATEGY = BlockingStrategy
