"""The first frame of an animated image, as an image of its own."""

from authmedia.browser.blobs import Blob
from authmedia.browser.dom import Element, create_element
from authmedia.browser.interop import BrowserError, call_guarded, settle, with_resolvers
from authmedia.browser.javascript import document, ffi

# The longest side of a still, in pixels: a canvas of the square of it is within the limit of every browser.
_MAX_SIDE_PX = 4096
# The size of an image that has none of its own. https://drafts.csswg.org/css-images/#default-object-size
_DEFAULT_SIZE_PX = 300, 150


async def draw_still(src: str, crossorigin: str) -> str:
    """Returns an object URL of the first frame of an image; empty if it cannot be decoded.

    Drawing an animated image draws its first frame, or the one that its format names for this.
    https://html.spec.whatwg.org/multipage/canvas.html#image-sources-for-2d-rendering-contexts

    Of an SVG document it is what its animations have come to meanwhile.

    :param crossorigin: see `Element.show`; without it, an image of another origin cannot be read.
    :raises BrowserError: if the image does not arrive in time, or cannot be read.
    """
    image = create_element("img")
    try:
        if not await image.show(src, "load", crossorigin):
            return ""
        return (await _first_frame(image)).create_object_url()
    finally:
        image.remove_source()


async def _first_frame(image: Element) -> Blob:
    canvas = document.createElement("canvas")
    width, height = int(image._js.naturalWidth), int(image._js.naturalHeight)
    if not (width and height):
        width, height = _DEFAULT_SIZE_PX
    scale = min(1.0, _MAX_SIDE_PX / max(width, height))
    canvas.width, canvas.height = int(width * scale), int(height * scale)
    context = canvas.getContext("2d")
    # Not guarded, which would pass one more argument.
    context.drawImage(image._js, 0, 0, canvas.width, canvas.height)
    drawn = with_resolvers()
    await call_guarded(canvas.toBlob, canvas, drawn.resolve, "image/png")
    blob = await settle(drawn.promise)
    if ffi.is_none(blob):
        raise BrowserError("EncodingError", "the image is too large for a canvas")
    return Blob(blob)
