"""Decrypts large attachments piece by piece in a worker: the page's heap has none of their bytes.

WebCrypto's digest takes a whole body alone (https://www.w3.org/TR/webcrypto-2/#SubtleCrypto-method-digest), so the
worker's script contains hash-wasm's SHA-256.
"""

from authmedia.browser.blobs import Blob
from authmedia.browser.javascript import ffi, window
from authmedia.browser.worker_tasks import run_in_worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A wheel has hash-wasm in a file of its own.
_SCRIPTS = ("decryption-worker.js", "sha256.js")
# How much of the ciphertext is in memory at a time, a multiple of AES's blocks.
_PIECE_BYTES = 4 * 1024 * 1024


async def decrypt_in_worker(ciphertext: "Any", key: str, counter: bytes, sha256: bytes) -> "tuple[bool, Blob | None]":
    """Decrypts with AES-CTR and digests in one go; the parameters are those of `decrypt_aes_ctr`.

    :param ciphertext: a ``Blob``, or the object URL of one.
    :returns: whether the worker can be started; and the plaintext, unless the digest differs.
    :raises BrowserError: if the ciphertext cannot be read, or the browser refuses to decrypt.
    """
    start = window.Uint8Array.new(ffi.to_js(list(counter)))
    task = {"ciphertext": ciphertext, "key": key, "counter": start, "pieceBytes": _PIECE_BYTES}
    reply = await run_in_worker(_SCRIPTS, ffi.to_js(task))
    if reply is None:
        return False, None
    return True, Blob(reply.plaintext) if str(reply.sha256) == sha256.hex() else None
