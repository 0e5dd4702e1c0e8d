"""JavaScript's global objects, as PyScript has them. https://developer.mozilla.org/docs/Web/API/Window

A MicroPython without PyScript, such as that of ``authmedia-js``, has the modules ``js`` and ``jsffi`` alone; they get
the same names here. On CPython, outside of a page, the library can be imported all the same, for type checkers,
documentation and the unit tests of applications; the first use of the browser is an error in words.
"""

import sys

__all__ = ("JsException", "document", "ffi", "window")

try:
    from pyscript import document, ffi, window

    if not hasattr(ffi, "is_none"):
        raise RuntimeError("authmedia needs a newer PyScript: @pyscript/core 0.7 or newer")
except ImportError as error:
    if sys.platform == "webassembly" and "'pyscript'" in str(error):  # MicroPython, and no PyScript at all
        from authmedia.browser.micropython import document, ffi, window
    elif sys.platform in ("emscripten", "webassembly"):
        raise  # it is a page, and PyScript's own words say what is wrong
    else:

        class _Missing:
            """An object of a browser that is not there."""

            __slots__ = ()

            def __bool__(self) -> bool:
                return False

            def __getattr__(self, name: str) -> "_Missing":
                return self

            def __call__(self, *_arguments: object) -> None:
                raise RuntimeError("authmedia needs a browser: run it in a page with PyScript")

        document = ffi = window = _Missing()

try:
    from pyodide.ffi import JsException
except ImportError:
    try:
        from jsffi import JsException
    except ImportError:
        JsException = RuntimeError
