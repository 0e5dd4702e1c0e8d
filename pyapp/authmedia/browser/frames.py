"""Frames of videos as pictures. https://developer.mozilla.org/docs/Web/API/HTMLCanvasElement/toBlob"""

from authmedia.browser.blobs import Blob
from authmedia.browser.dom import Element
from authmedia.browser.interop import BrowserError, call_guarded, settle, with_resolvers
from authmedia.browser.javascript import document, ffi

# https://developer.mozilla.org/docs/Web/API/HTMLMediaElement/readyState
_HAVE_CURRENT_DATA = 2
_MAX_SIDE_PX = 640


async def capture_frame(element: Element) -> str:
    """Returns an object URL of the frame that a video shows; empty where it shows none, or the page may not read it."""
    video = element.js
    if element.tag != "video" or int(video.readyState) < _HAVE_CURRENT_DATA or not video.videoWidth:
        return ""
    width, height = int(video.videoWidth), int(video.videoHeight)
    scale = min(1.0, _MAX_SIDE_PX / max(width, height))
    canvas = document.createElement("canvas")
    canvas.width, canvas.height = round(width * scale), round(height * scale)
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height)
    made = with_resolvers()
    try:
        await call_guarded(canvas.toBlob, canvas, made.resolve, "image/jpeg", 0.8)
    except BrowserError:  # without CORS
        return ""
    picture = await settle(made.promise)
    return "" if ffi.is_none(picture) else Blob(picture).create_object_url()
