"""Writes files of the origin private file system in a worker, for Safari before 26, where pages cannot.

https://developer.mozilla.org/docs/Web/API/FileSystemFileHandle/createSyncAccessHandle
"""

from authmedia.browser.blobs import Blob
from authmedia.browser.interop import BrowserError
from authmedia.browser.javascript import ffi
from authmedia.browser.worker_tasks import run_in_worker

_SCRIPT = "file-writer.js"


async def write_in_worker(directory: str, name: str, head: str, body: Blob) -> None:
    """Writes a file, which appears whole or not at all.

    :param directory: name of a directory below the root.
    :param head: the text before the body.
    :raises BrowserError: if the browser refuses, or the script cannot be started.
    """
    file = ffi.to_js({"directory": directory, "name": name, "head": head, "body": body._js})
    if await run_in_worker((_SCRIPT,), file) is None:
        raise BrowserError(
            "NotSupportedError",
            f"the worker {_SCRIPT} cannot be started: put the file, which is in the wheel's folder "
            "authmedia/browser, beside this page, or allow blob: in worker-src of its Content-Security-Policy",
        )
