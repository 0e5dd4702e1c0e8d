"""WebCrypto: HMAC and the decryption of attachments. https://developer.mozilla.org/docs/Web/API/SubtleCrypto"""

from authmedia.browser.blobs import Blob, new_blob
from authmedia.browser.interop import BrowserError, read_buffer, settle
from authmedia.browser.javascript import ffi, window
from authmedia.support.base64url import base64url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


async def hmac_sha256(key: str, text: str) -> str:
    """Returns an HMAC-SHA256 as base64url without padding.

    https://developer.mozilla.org/docs/Web/API/SubtleCrypto/sign

    :raises BrowserError: in a page without WebCrypto.
    """
    encoder = window.TextEncoder.new()
    algorithm = ffi.to_js({"name": "HMAC", "hash": "SHA-256"})
    subtle = subtle_crypto()
    imported = await settle(subtle.importKey("raw", encoder.encode(key), algorithm, False, ffi.to_js(["sign"])))
    return base64url(read_buffer(await settle(subtle.sign("HMAC", imported, encoder.encode(text)))))


async def decrypt_aes_ctr(ciphertext: "Any", key: str, counter: bytes, sha256: bytes) -> Blob | None:
    """Verifies a ciphertext's digest, then decrypts it; returns ``None`` if the digest differs.

    https://developer.mozilla.org/docs/Web/API/SubtleCrypto/decrypt

    :param ciphertext: an ``ArrayBuffer``.
    :param key: 256 bits, as a JWK's ``k``.
    :param counter: the first counter block, of which the last 64 bits count.
    :param sha256: the expected digest of the ciphertext.
    :raises BrowserError: in a page without WebCrypto, or if the browser refuses to decrypt.
    """
    subtle = subtle_crypto()
    if read_buffer(await settle(subtle.digest("SHA-256", ciphertext))) != sha256:
        return None
    algorithm = {"name": "AES-CTR", "counter": window.Uint8Array.new(ffi.to_js(list(counter))), "length": 64}
    jwk = ffi.to_js({"kty": "oct", "alg": "A256CTR", "k": key})
    name = ffi.to_js({"name": "AES-CTR"})
    imported = await settle(subtle.importKey("jwk", jwk, name, False, ffi.to_js(["decrypt"])))
    plain = await settle(subtle.decrypt(ffi.to_js(algorithm), imported, ciphertext))
    return Blob(new_blob(ffi.to_js([plain])))


def subtle_crypto() -> "Any":
    """Returns ``crypto.subtle``.

    :raises BrowserError: in a page that is no secure context.
    """
    subtle: Any = getattr(window.crypto, "subtle", None)
    if ffi.is_none(subtle):
        raise BrowserError("NotSupportedError", "crypto.subtle is missing: this page is no secure context")
    return subtle
