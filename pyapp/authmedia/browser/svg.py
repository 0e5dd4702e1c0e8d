"""SVG: elements of the page, and documents of others, shown as images. https://www.w3.org/TR/SVG2/"""

from authmedia.browser.blobs import Blob
from authmedia.browser.dom import Element, create_element, with_attributes
from authmedia.browser.interop import settle, with_resolvers
from authmedia.browser.javascript import document, ffi, window

_TYPE = "image/svg+xml"
# Both encode the document, and browsers limit the length of a `data:` URL: Firefox to 32 MiB.
_MAX_BYTES = 16_000_000


async def contain_svg(svg: Blob) -> Blob | None:
    """Returns an SVG document that contains another one as an image; ``None`` if that is none, or too large.

    An object URL of an SVG document is a page of this origin wherever it is opened by itself, with all its scripts.
    The document that is returned has one element, ``<image>``, with the other one in a ``data:`` URL: what an image
    contains neither runs nor loads anything. The text of that URL is passed on by the browser's own functions, and
    never enters Python. https://www.w3.org/TR/SVG2/conform.html#secure-static-mode
    """
    if svg.size > _MAX_BYTES:
        return None
    reader, read, image, shown = window.FileReader.new(), with_resolvers(), create_element("img").js, with_resolvers()
    reader.addEventListener("loadend", read.resolve)
    reader.readAsDataURL(svg.slice(0, _TYPE).js)
    result = window.Object.getOwnPropertyDescriptor(window.FileReader.prototype, "result")
    await settle(read.promise)
    if not ffi.is_none(reader.error):
        return None  # the file is gone, and the result would be null
    url = read.promise.then(window.Reflect.get(result, "get").bind(reader))
    for event in ("load", "error"):
        image.addEventListener(event, shown.resolve)
    url.then(window.Reflect.set.bind(None, image, "src"))
    if str((await settle(shown.promise)).type) != "load":
        return None
    # Without a size of its own, an image is as large as the browser makes it: 0 in some, 300 by 150 in most.
    width, height = int(image.naturalWidth) or 300, int(image.naturalHeight) or 150
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
    parts = window.Promise.all(ffi.to_js([head + '<image width="100%" height="100%" href="', url, '"/></svg>']))
    arguments = window.Promise.all(ffi.to_js([parts, {"type": _TYPE}]))
    return Blob(await settle(arguments.then(window.Reflect.construct.bind(None, window.Blob))))


def create_svg_element(tag: str, **attributes: str) -> Element:
    """Creates an SVG element; ``class_`` and ``text_anchor`` stand for ``class`` and ``text-anchor``."""
    return with_attributes(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes)
