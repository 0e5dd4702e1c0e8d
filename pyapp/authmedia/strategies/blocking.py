"""`blocking`: a baseline: what a Python programmer writes first: urllib, and the bytes in Python.

It works, on Pyodide, by way of `pyodide-http`. While it does, the whole page stands still, one media after another;
each body is copied into Python and out again; and nothing can be cancelled.
"""

import asyncio
import sys

from authmedia import browser
from authmedia.errors import AuthMediaError, HomeserverUnreachable, RateLimited
from authmedia.matrix.homeserver import media_path, refused
from authmedia.media import NETWORK, Media, MediaRequest, Support, safe_content_type
from authmedia.strategies.base import Strategy
from authmedia.support.untrusted import json_object, parse_json
from authmedia.traffic import Traffic


class BlockingStrategy(Strategy):
    """Reads each media with urllib, and shows an object URL of the bytes."""

    name = "blocking"

    async def support(self) -> Support:
        """Reads the homeserver's list of versions the same way."""
        if sys.implementation.name == "micropython":
            return Support(False, "MicroPython has no urllib: open this page with ?interpreter=pyodide")
        try:
            self._read("/_matrix/client/versions", Traffic())
        except AuthMediaError as error:
            return Support(False, error.words or error.what)
        return Support(True)

    async def open(self, request: MediaRequest, traffic: Traffic) -> Media:
        """One request during which nothing else happens on this page."""
        await asyncio.sleep(0)  # the one moment in which the page can show what is there
        try:
            body, content_type = self._read(media_path(request), traffic)
        except AuthMediaError as error:
            failure = error.about(request.mxc)
        else:
            content_type = safe_content_type(content_type or request.content_type)
            traffic.bytes += len(body)
            url = browser.bytes_blob(body, content_type).create_object_url()
            return Media(
                request,
                url,
                strategy=self.name,
                source=NETWORK,
                traffic=traffic,
                content_type=content_type,
                size=len(body),
            )
        raise failure

    def release(self, media: Media) -> None:
        """Revokes the object URL, which frees the bytes that the browser has."""
        browser.revoke_object_url(media.src)

    def _read(self, path: str, traffic: Traffic) -> "tuple[bytes, str]":
        # Only Pyodide has these, and only this baseline needs them.
        import urllib.error
        import urllib.request

        import pyodide_http

        pyodide_http.patch_urllib()
        url = self.homeserver.base_url + path
        traffic.requests += 1
        self.homeserver.count_preflight(url, traffic)
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=self.homeserver.headers())) as answer:
                status, body = int(answer.status), bytes(answer.read())
                content_type = answer.headers.get("Content-Type") or ""
        except OSError as error:  # pyodide-http turns whatever the browser says into one
            raise HomeserverUnreachable("No answer came", words=str(error))
        if status >= 400:
            raise _refusal(status, body)
        return body, content_type


def _refusal(status: int, body: bytes) -> AuthMediaError:
    answer = json_object(parse_json(body))
    errcode = str(answer.get("errcode", ""))
    words = f"{errcode}: {answer.get('error', '')}" if errcode else f"HTTP {status}"
    if status == 429:
        return RateLimited("Too many requests", words=words)
    return refused(errcode, words, status)


STRATEGY = BlockingStrategy
