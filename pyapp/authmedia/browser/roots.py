"""Elements and roots that applications made themselves, as `Element`."""

from authmedia.browser.dom import Element
from authmedia.browser.javascript import ffi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def as_element(given: "Any") -> Element:
    """Returns an element, a document or a shadow root as `Element`.

    :param given: the browser's own object, or an element of `pyscript.web`.
    :raises TypeError: if it is something else.
    """
    js = getattr(given, "_dom_element", None)
    js = given if ffi.is_none(js) else js
    if ffi.is_none(js) or ffi.is_none(getattr(js, "querySelectorAll", None)):
        raise TypeError(
            f"{type(given).__name__} is no element: pass one element of the page or of pyscript.web, or a shadow root"
        )
    return Element(js)
