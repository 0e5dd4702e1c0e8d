"""Evicts a room's media from the browser's HTTP cache, as far as a page can, so that a first visit is measured cold."""

import asyncio

from authmedia import browser
from authmedia.homeserver import LINKS_PREFIX, Homeserver, media_path
from authmedia.media import MediaRequest
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
    await asyncio.gather(*[browser.evict(url) for url in urls])


def _by_cookie(request: MediaRequest) -> str:
    return f"{LINKS_PREFIX}/cookie/{request.server_name}/{request.media_id}{request.thumbnail_query}"
