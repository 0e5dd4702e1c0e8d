"""JavaScript's global objects in a MicroPython without PyScript, by PyScript's names: ``authmedia-js`` starts one.

https://docs.micropython.org/en/latest/library/index.html
"""

import authmedia_primitives
import js
import jsffi

# As in PyScript. A function of `js.window` would be bound to the window, also one that was taken of another object.
window = js
document = js.document

# https://developer.mozilla.org/docs/Web/JavaScript/Reference/Operators/null
_null = js.Object.getPrototypeOf(js.Object.prototype)


class ffi:
    """The functions of ``pyscript.ffi`` that the library uses."""

    create_proxy = staticmethod(jsffi.create_proxy)
    to_js = staticmethod(jsffi.to_js)
    #: The functions of ``primitives.js``, see `authmedia.browser.primitives`.
    primitives = authmedia_primitives

    @staticmethod
    def is_none(value: object) -> bool:
        """Returns whether a value is ``None``, or ``null`` in JavaScript."""
        return value is None or value is _null
