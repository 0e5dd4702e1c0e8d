"""Saves media as files."""

import asyncio

from authmedia import browser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from authmedia.loader import MediaLoader
    from authmedia.media import Media, MediaRequest

#: How long the browser has for reading a file before it is released, since no browser says when it has saved one: a
#: user may look for a folder first.
RELEASE_DELAY_S = 60.0
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
    :raises AuthMediaError: of the class that fits what happened.
    """
    name = portable_name(name)
    media = await loader.load(request.named(name))
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
