"""The page and its environment: clocks, address, clipboard and tasks."""

import asyncio
import json

from authmedia.browser import primitives
from authmedia.browser.dom import Element
from authmedia.browser.interop import BrowserError, call_guarded
from authmedia.browser.javascript import document, ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

# As text, since Firefox rounds it, and a whole number of this size wraps on its way into MicroPython.
_time_origin_ms: float | None = None


def now_ms() -> float:
    """Returns milliseconds since the page was opened. https://developer.mozilla.org/docs/Web/API/Performance/now"""
    return float(primitives.now())


def epoch_ms() -> float:
    """Returns milliseconds since 1970; ``Date.now()`` would wrap on MicroPython."""
    global _time_origin_ms
    if _time_origin_ms is None:
        _time_origin_ms = float(json.loads(str(window.JSON.stringify(window.performance)))["timeOrigin"])
    return _time_origin_ms + now_ms()


def page_origin() -> str:
    """Returns the page's origin, serialized. https://developer.mozilla.org/docs/Web/API/Location/origin"""
    return str(window.location.origin)


def page_url() -> str:
    """Returns the page's URL without query and fragment."""
    return str(window.location.href).split("#")[0].split("?")[0]


def page_fragment() -> str:
    """Returns the fragment of the page's URL with its ``#``, as it is encoded there; empty if it has none."""
    return str(window.location.hash)


def query_parameter(name: str) -> str:
    """Returns a parameter of the page's URL, decoded; empty where it is missing."""
    value = window.URLSearchParams.new(window.location.search).get(name)
    return "" if ffi.is_none(value) else str(value)


def build_query(parameters: "list[tuple[str, str]]") -> str:
    """Returns a URL query with its ``?``, without parameters whose value is empty; empty if all are.

    https://developer.mozilla.org/docs/Web/API/URLSearchParams
    """
    built = window.URLSearchParams.new()
    for name, value in parameters:
        if value:
            built.append(name, value)
    text = str(built.toString())
    return "?" + text if text else ""


def remove_query_parameter(name: str) -> None:
    """Removes a parameter from the page's URL, so that a reload does not see it.

    https://developer.mozilla.org/docs/Web/API/History/replaceState
    """
    url = window.URL.new(window.location.href)
    url.searchParams.delete(name)
    window.history.replaceState(None, "", url.href)


def reload_page() -> None:
    """Reloads the page. https://developer.mozilla.org/docs/Web/API/Location/reload"""
    window.location.reload()


def format_time(epoch_ms: float) -> str:
    """Formats hours and minutes of a time in the user's locale.

    :param epoch_ms: milliseconds since 1970.
    """
    date = window.Date.new(float(epoch_ms))
    return str(date.toLocaleTimeString(ffi.to_js([]), ffi.to_js({"hour": "2-digit", "minute": "2-digit"})))


def iso_timestamp(epoch_ms: float) -> str:
    """Formats a time by ISO 8601, in UTC.

    :param epoch_ms: milliseconds since 1970.
    """
    return str(window.Date.new(float(epoch_ms)).toISOString())


def user_agent() -> str:
    """Returns the browser's user agent string. https://developer.mozilla.org/docs/Web/API/Navigator/userAgent"""
    return str(window.navigator.userAgent)


def device_pixel_ratio() -> float:
    """Returns the device pixels of a CSS pixel. https://developer.mozilla.org/docs/Web/API/Window/devicePixelRatio"""
    return float(window.devicePixelRatio)


def random_uuid() -> str:
    """Returns an unpredictable UUID. https://developer.mozilla.org/docs/Web/API/Crypto/randomUUID"""
    return str(window.crypto.randomUUID())


async def copy_to_clipboard(text: str) -> None:
    """Copies a text to the clipboard. https://developer.mozilla.org/docs/Web/API/Clipboard/writeText

    :raises BrowserError: where pages have no clipboard, or the browser refuses.
    """
    clipboard: Any = getattr(window.navigator, "clipboard", None)
    if ffi.is_none(clipboard):
        raise BrowserError("NotSupportedError", "navigator.clipboard is missing in this window")
    await call_guarded(clipboard.writeText, clipboard, text)


def create_task(work: "Coroutine[Any, Any, None]") -> "asyncio.Task[None]":
    """Starts a coroutine as a task; an exception that it raises reaches the handler of `on_unhandled_exception`."""
    return asyncio.create_task(work)


def call_hook(hook: "Callable[..., Any]", *arguments: object) -> "Any":
    """Calls a function of the application and returns what it returns.

    An exception that it raises is reported as unhandled, and ends nothing else; then ``None`` is returned.
    """
    try:
        return hook(*arguments)
    except Exception as error:
        create_task(_raise(error))
        return None


async def _raise(error: Exception) -> None:
    raise error


async def yield_to_browser() -> None:
    """Waits until the browser has handled its pending input and painting, which ``asyncio.sleep(0)`` does not.

    https://html.spec.whatwg.org/multipage/timers-and-user-prompts.html#dom-settimeout
    """
    await window.Promise.new(window.setTimeout)


def on_unhandled_exception(handler: "Callable[[BaseException | None, str], None]") -> None:
    """Registers ``handler(exception, message)`` for exceptions of tasks that no other task awaits."""

    def handle(_loop: object, context: "dict[str, Any]") -> None:
        handler(context.get("exception"), str(context.get("message", "")))

    asyncio.get_event_loop().set_exception_handler(handle)


def clone_template(template_id: str) -> Element:
    """Clones the first element in a ``<template>``. https://developer.mozilla.org/docs/Web/HTML/Element/template"""
    template = document.getElementById(template_id)
    return Element(template.content.firstElementChild.cloneNode(True))
