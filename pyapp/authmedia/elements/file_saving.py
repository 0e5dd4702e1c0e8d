"""Saves media as files."""

import asyncio

from authmedia import browser
from authmedia.browser import open_tab  # by its name, so that archives have its module
from authmedia.errors import ActivationEnded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.loader import MediaLoader
    from authmedia.media import Media, MediaRequest

#: How long the browser has for reading a file before it is released, since no browser says when it has saved one: a
#: user may look for a folder first.
RELEASE_DELAY_S = 60.0
# What has arrived after the click that asked for it had become too old, by loader and request.
_arrived: "dict[tuple[int, str], Media]" = {}
# The least bytes a second at which a disk takes a file.
_MIN_BYTES_PER_S = 2_000_000
_NO_NAME = "file"
# The longest name of a file, as UTF-8, and of the part of it that is kept at its end.
_MAX_NAME_BYTES, _MAX_SUFFIX_BYTES = 255, 20


async def save_media(loader: "MediaLoader", request: "MediaRequest", name: str) -> None:
    """Loads a media, and has the browser save it as a file.

    >>> await save_media(loader, MediaRequest("mxc://example.org/abc", kind="file"), "walk.gpx")

    :param request: one of the kind ``file``.
    :param name: the file's name.
    :raises AuthMediaError: of the class that fits what happened; `ActivationEnded` if the user has to press again: then
        the next call saves what has arrived, without another request.
    """
    name = portable_name(name)
    request = request.named(name)
    key = (id(loader), request.key)
    media = _arrived.pop(key, None) or await loader.load(request)
    try:
        save_source(media.src, name, request.mxc)
    except ActivationEnded:
        _arrived[key] = media
        browser.create_task(_forget_later(loader, key, media))
        raise
    browser.create_task(release_later(loader, media))


async def _forget_later(loader: "MediaLoader", key: "tuple[int, str]", media: "Media") -> None:
    """Releases what has arrived, unless the user presses again in time."""
    try:
        await asyncio.sleep(RELEASE_DELAY_S)
    finally:
        if _arrived.get(key) is media:
            _arrived.pop(key)
            loader.release(media)


def save_source(src: str, name: str, mxc: str) -> None:
    """Has the browser save what is at a URL as a file.

    https://developer.mozilla.org/docs/Web/API/HTMLAnchorElement/download

    :param mxc: the media that it is.
    :raises ActivationEnded: if the browser needs another click, as for another tab.
    """
    if src.startswith("blob:"):
        browser.create_element("a", href=src, download=name or _NO_NAME).click()
    elif not open_tab(src):  # of its own, since an error response must not navigate this page away
        raise ActivationEnded("The click is too old to save a file", mxc=mxc)


def portable_name(name: str) -> str:
    """Returns a file's name that disks and links take; its end, which says the type, is kept.

    As the module media_links does, it replaces what leads to another folder, and what turns the text behind it around.
    """
    name = "".join([_portable(character) for character in name])
    head, dot, suffix = name.rpartition(".")
    end = dot + suffix if head and len(suffix.encode()) <= _MAX_SUFFIX_BYTES else ""
    head = head if end else name
    while len((head + end).encode()) > _MAX_NAME_BYTES:
        head = head[:-1]
    return head + end


def _portable(character: str) -> str:
    code = ord(character)
    if 0xD800 <= code < 0xE000:  # half of a surrogate pair
        return ""
    is_control = code < 0x20 or 0x7F <= code < 0xA0 or 0x2028 <= code <= 0x202E or 0x2066 <= code <= 0x2069
    return "_" if is_control or character in "/\\\u061c\u200e\u200f" else character


async def release_later(loader: "MediaLoader", media: "Media") -> None:
    """Releases a media that the browser is saving, after the time that it has for it, by its size."""
    try:
        await asyncio.sleep(RELEASE_DELAY_S + media.size / _MIN_BYTES_PER_S)
    finally:
        loader.release(media)
