"""What a browser does for each element, by one call of JavaScript: the functions of ``primitives.js``.

A page with PyScript lets JavaScript be made of text, which PyScript itself needs. The pages of ``authmedia-js`` need
not, so that package imports the module and registers it in the interpreter.
"""

from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _load() -> "Any":
    if not window:  # there is no browser
        return window
    registered: Any = getattr(ffi, "primitives", None)
    if registered is not None:
        return registered
    with open(__file__.rpartition("/")[0] + "/primitives.js") as script:
        return window.Function.new(script.read().replace("export default", "return"))()


_module = _load()
# Each is looked up once: MicroPython makes a new function object at each lookup.
changed_elements = _module.changedElements
cut_blob = _module.cutBlob
line_at = _module.lineAt
lock = _module.lock
matching_elements = _module.matchingElements
now = window.performance.now
number_of = _module.numberOf
read_attributes = _module.readAttributes
read_blob = _module.readBlob
read_file = _module.readFile
remove_attributes = _module.removeAttributes
request = _module.request
resource_timings = _module.resourceTimings
response_head = _module.responseHead
run_later = _module.runLater
set_attributes = _module.setAttributes
settle = _module.settle
show = _module.show
stop_showing = _module.stopShowing
unlock = _module.unlock
write_file = _module.writeFile
