"""Saves media as files."""

import asyncio

from authmedia import browser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.loader import MediaLoader
    from authmedia.media import Media, MediaRequest

#: How long the browser has for reading a file before it is released, since no browser says when it has saved one.
RELEASE_DELAY_S = 60.0
_NO_NAME = "file"


async def save_media(loader: "MediaLoader", request: "MediaRequest", name: str) -> None:
    """Loads a media, and has the browser save it as a file.

    >>> await save_media(loader, MediaRequest("mxc://example.org/abc", kind="file"), "walk.gpx")

    :param request: one of the kind ``file``.
    :param name: the file's name. Browsers ignore it for a link to another origin; then it is the name with which the
        file was uploaded.
    :raises AuthMediaError: of the class that fits what happened.
    """
    media = await loader.load(request)
    save_source(media.src, name)
    browser.create_task(release_later(loader, media))


def save_source(src: str, name: str) -> None:
    """Has the browser save what is at a URL as a file.

    https://developer.mozilla.org/docs/Web/API/HTMLAnchorElement/download
    """
    link = browser.create_element("a", href=src, download=name or _NO_NAME)
    if not src.startswith("blob:"):
        link.set_attribute("target", "_blank")  # an error response must not navigate this page away
        link.set_attribute("rel", "noopener")
    link.click()


async def release_later(loader: "MediaLoader", media: "Media") -> None:
    """Releases a media that the browser is saving, after the time that it has for it."""
    try:
        await asyncio.sleep(RELEASE_DELAY_S)
    finally:
        loader.release(media)
