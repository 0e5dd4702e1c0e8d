"""Runs a task in a worker of its own, whose script comes with the library.

https://developer.mozilla.org/docs/Web/API/Worker
"""

from authmedia.browser.blobs import revoke_object_url, text_blob
from authmedia.browser.interop import BrowserError, settle, with_resolvers
from authmedia.browser.javascript import ffi, window
from authmedia.browser.workers import SCRIPT_URLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


async def run_in_worker(scripts: "tuple[str, ...]", message: "Any") -> "Any":
    """Sends a message to a new worker and returns its reply; ``None`` where its script cannot be started.

    The script is taken from the URL that was set for it; else from the folder of this module where the library came as
    a wheel, else from beside the page.

    :param scripts: the script's name, and those of the files that a wheel has to put before it.
    :param message: an object of JavaScript.
    :raises BrowserError: what the worker reports by ``name`` and ``message``.
    """
    reply: Any = None
    given = SCRIPT_URLS.get(scripts[0], "")
    packaged = "" if given else _packaged_script_url(scripts)
    try:
        for url in (packaged, given or scripts[0]):
            reply = await _reply(url, message) if url else None
            if not ffi.is_none(reply):
                break
    finally:
        if packaged:
            revoke_object_url(packaged)
    failed: Any = None if ffi.is_none(reply) else getattr(reply, "name", None)
    if not ffi.is_none(failed):
        raise BrowserError(str(failed), str(reply.message))
    return None if ffi.is_none(reply) else reply


def _packaged_script_url(names: "tuple[str, ...]") -> str:
    """Returns an object URL of the script in this module's folder; empty where there is none."""
    texts = []
    try:
        for name in names[1:] + names[:1]:
            with open(__file__.rpartition("/")[0] + "/" + name) as script:
                texts.append(script.read())
    except OSError:
        return ""
    return text_blob("\n".join(texts), "text/javascript").create_object_url()


async def _reply(url: str, message: "Any") -> "Any":
    """Returns the worker's reply; ``None`` where its script cannot be started."""
    worker = window.Worker.new(url)
    reply = with_resolvers()
    worker.onmessage = reply.resolve
    worker.onerror = reply.resolve  # an event without data
    try:
        worker.postMessage(message)
        return getattr(await settle(reply.promise), "data", None)
    finally:
        worker.terminate()
