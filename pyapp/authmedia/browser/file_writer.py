"""Writes files of the origin private file system in a worker, for Safari before 26, where pages cannot.

https://developer.mozilla.org/docs/Web/API/FileSystemFileHandle/createSyncAccessHandle
"""

from authmedia.browser.blobs import Blob, revoke_object_url, text_blob
from authmedia.browser.interop import BrowserError, settle, with_resolvers
from authmedia.browser.javascript import ffi, window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The worker's script: in the folder of this module where the library came as a wheel, else beside the page.
_SCRIPT = "file-writer.js"


async def write_in_worker(directory: str, name: str, head: str, body: Blob, script: str = "") -> None:
    """Writes a file, which appears whole or not at all.

    :param directory: name of a directory below the root.
    :param head: the text before the body.
    :param script: URL of the worker's script; empty for the one that the library came with.
    :raises BrowserError: if the browser refuses, or the script cannot be started.
    """
    file = ffi.to_js({"directory": directory, "name": name, "head": head, "body": body._js})
    packaged = "" if script else _packaged_script_url()
    try:
        for url in (packaged, script or _SCRIPT):
            outcome: Any = await _outcome(url, file) if url else None
            if not ffi.is_none(outcome):
                break
    finally:
        if packaged:
            revoke_object_url(packaged)
    if ffi.is_none(outcome):
        raise BrowserError(
            "NotSupportedError",
            f"the worker {script or _SCRIPT} cannot be started: put the file, which is in the wheel's folder "
            "authmedia/browser, beside this page, or allow blob: in worker-src of its Content-Security-Policy",
        )
    failed: Any = getattr(outcome, "name", None)
    if not ffi.is_none(failed):
        raise BrowserError(str(failed), str(outcome.message))


def _packaged_script_url() -> str:
    """Returns an object URL of the script in this module's folder; empty where there is none."""
    try:
        with open(__file__.rpartition("/")[0] + "/" + _SCRIPT) as script:
            return text_blob(script.read(), "text/javascript").create_object_url()
    except OSError:
        return ""


async def _outcome(url: str, file: "Any") -> "Any":
    """Returns the worker's reply; ``None`` where its script cannot be started."""
    worker = window.Worker.new(url)
    reply = with_resolvers()
    worker.onmessage = reply.resolve
    worker.onerror = reply.resolve  # an event without data
    try:
        worker.postMessage(file)
        return getattr(await settle(reply.promise), "data", None)
    finally:
        worker.terminate()
