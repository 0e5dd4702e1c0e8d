"""JavaScript's global objects, as PyScript has them. https://developer.mozilla.org/docs/Web/API/Window

A MicroPython without PyScript, such as that of ``authmedia-js``, has the modules ``js`` and ``jsffi`` alone; they get
the same names here. On CPython, outside of a page, the library can be imported all the same, for type checkers,
documentation and the unit tests of applications; the first use of the browser is an error in words.
"""

__all__ = ("JsException", "document", "ffi", "window")

try:
    from pyscript import document, ffi, window
except ImportError:
    try:
        import js
        import jsffi

        # As in PyScript. The functions of `js.window` would be bound to it, also those that were taken of its objects.
        document, window = js.document, js
        # https://developer.mozilla.org/docs/Web/JavaScript/Reference/Operators/null
        _null = window.Object.getPrototypeOf(window.Object.prototype)

        class _Ffi:
            """The functions of ``pyscript.ffi`` that the library uses. https://docs.pyscript.net/latest/api/ffi/"""

            create_proxy = staticmethod(jsffi.create_proxy)
            to_js = staticmethod(jsffi.to_js)

            @staticmethod
            def is_none(value: object) -> bool:
                """Returns whether a value is ``None``, or ``null`` in JavaScript."""
                return value is None or value is _null

        ffi = _Ffi

    except ImportError:
        document = ffi = window = None
if window is None:

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
