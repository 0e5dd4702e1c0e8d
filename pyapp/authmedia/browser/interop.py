"""Calls from Python into JavaScript, alike on Pyodide and MicroPython.

- A rejected promise raises `BrowserError` on both, with the name and the message that the browser gave.
- MicroPython cannot catch what a plain call throws, so whatever may throw is called inside a promise (`call_guarded`).
- Integers of 2^31 and more wrap on their way into MicroPython, so clocks and sizes are read as text.
- A Python function handed to the browser is kept alive by its owner and destroyed by `destroy_proxy`.
"""

import asyncio
import sys

from authmedia.browser import primitives
from authmedia.browser.javascript import JsException, ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


#: ``Promise.withResolvers``, looked up once: MicroPython makes a new function object at each lookup.
#: https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Promise/withResolvers
with_resolvers = window.Promise.withResolvers


class BrowserError(Exception):
    """An exception of the browser.

    :param name: the exception's name, such as ``SecurityError``.
    :param words: its message, as the browser wrote it.
    """

    def __init__(self, name: str, words: str) -> None:
        self.name = name
        #: Name and message in one text.
        self.words = f"{name}: {words}" if name else words
        super().__init__(self.words)


async def settle(promise: "Any") -> "Any":
    """Awaits a promise and returns its value.

    :raises BrowserError: if the promise is rejected.
    """
    if sys.implementation.name == "micropython":
        return (await call_and_settle(primitives.settle, promise))[0]
    failure = None
    try:
        return await promise
    except JsException as error:
        failure = _browser_error(error)
    raise failure


class _Call:
    """A call of JavaScript that calls back once, and with what."""

    __slots__ = ("ended", "values")

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.values: tuple[Any, ...] = ()


# Those in progress by their numbers, and the callback of all of them, which lives as long as the page.
_calls: "dict[int, _Call]" = {}
_last_number = 0
_callback: "Any" = None


async def await_callback(function: "Any", *arguments: object, cancel: "Any" = None) -> "tuple[Any, ...]":
    """Calls a function of `primitives`, with a number and a callback at the end; returns what it calls back with.

    It takes one call into JavaScript, and MicroPython's own ``await`` eleven.

    :param cancel: called with the number if the awaiting task is cancelled.
    """
    global _last_number, _callback
    _last_number += 1
    number, call = _last_number, _Call()
    _calls[number] = call
    _callback = _callback or ffi.create_proxy(_on_called_back)
    function(*arguments, number, _callback)
    try:
        await call.ended.wait()
    finally:
        if _calls.pop(number, None) and cancel:
            cancel(number)
    return call.values


async def call_and_settle(function: "Any", *arguments: object) -> "tuple[Any, Any]":
    """Calls a function of `primitives` that calls back as ``settle`` does; returns the two values.

    :raises BrowserError: if what it waits for is rejected.
    """
    resolved, value, detail = await await_callback(function, *arguments)
    if not resolved:
        raise BrowserError(str(value), str(detail))
    return value, detail


def _on_called_back(number: "Any", *values: "Any") -> None:
    call = _calls.pop(int(number), None)
    if call:
        call.values = values
        call.ended.set()


async def call_guarded(function: "Any", this: "Any", *arguments: object) -> "Any":
    """Calls a function that may throw inside a promise, since MicroPython cannot catch what a plain call throws.

    The function is called with one additional argument, the value of that promise.

    :param this: the object that the function is a method of.
    :raises BrowserError: if the function throws, or the promise that it returns is rejected.
    """
    return await settle(window.Promise.resolve(True).then(function.bind(this, *arguments)))


def destroy_proxy(proxy: "Any") -> None:
    """Destroys the proxy of a Python function on Pyodide; MicroPython collects it by itself."""
    if hasattr(proxy, "destroy"):
        proxy.destroy()


def read_buffer(buffer: "Any") -> bytes:
    """Copies a small ``ArrayBuffer`` into Python, byte by byte: MicroPython cuts a text at its first NUL."""
    array = window.Uint8Array.new(buffer)
    return bytes([int(array[position]) for position in range(int(array.length))])


def _browser_error(error: "Any") -> BrowserError:
    if hasattr(error, "message"):  # Pyodide
        return BrowserError(str(error.name), str(error.message))
    arguments = error.args  # MicroPython: (proxy, name, message)
    return BrowserError(str(arguments[1]), str(arguments[2])) if len(arguments) > 2 else BrowserError("", str(error))
