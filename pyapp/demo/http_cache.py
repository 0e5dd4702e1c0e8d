"""Evicts a room's media from the browser's HTTP cache, as far as a page can, so that a first visit is measured cold."""

import asyncio

from authmedia import browser
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from authmedia.transport.media_requests import media_path
from demo import timeline
from demo.room import Room


def addresses(room: Room, homeserver: Homeserver) -> "list[str]":
    """Returns the URLs of a room's media that are equal in every session: the specification's and the cookie's."""
    paths: list[str] = []
    for request in timeline.requests(room):
        paths += [media_path(request), _by_cookie(request)]
    return [homeserver.base_url + path for path in paths]


async def empty(urls: "list[str]") -> None:
    """Evicts URLs from the HTTP cache."""
    await asyncio.gather(*[browser.evict_from_http_cache(url) for url in urls])


def _by_cookie(request: MediaRequest) -> str:
    return f"{AUTHMEDIA_PREFIX}/cookie/{request.server_name}/{request.media_id}{request.thumbnail_query}"
