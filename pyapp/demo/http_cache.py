"""Empties the browser's HTTP cache of a room's media, as far as a page can, so that a first visit is one."""

import asyncio

from authmedia import browser
from authmedia.matrix.endpoints import AUTHMEDIA_PREFIX
from authmedia.matrix.homeserver import Homeserver
from authmedia.media import MediaRequest
from authmedia.transport.media_requests import media_path
from demo import timeline
from demo.room import Room


def addresses(room: Room, homeserver: Homeserver) -> "list[str]":
    """The addresses of a room's media that are the same in every session: the specification's, and those by cookie."""
    paths: list[str] = []
    for request in timeline.requests(room):
        paths += [media_path(request), _by_cookie(request)]
    return [homeserver.base_url + path for path in paths]


async def empty(urls: "list[str]") -> None:
    """Has the cache let go of those addresses."""
    await asyncio.gather(*[browser.evict_from_http_cache(url) for url in urls])


def _by_cookie(request: MediaRequest) -> str:
    return f"{AUTHMEDIA_PREFIX}/cookie/{request.server_name}/{request.media_id}{request.thumbnail_query}"
