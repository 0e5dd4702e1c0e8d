"""Encrypts attachments as a Matrix client does before uploading them.

https://spec.matrix.org/latest/client-server-api/#sending-encrypted-attachments
"""

import hashlib
import secrets
from base64 import b64encode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

_KEY_BYTES = 32
_HALF_BLOCK_BYTES = 8


def encrypt(content: bytes) -> tuple[bytes, dict[str, Any]]:
    """Encrypts media with a new key (AES-256 in counter mode).

    :returns: the ciphertext, and the event's ``EncryptedFile`` without its ``url``.
    """
    key = secrets.token_bytes(_KEY_BYTES)
    # The lower half of the counter block starts at zero, so that it does not overflow.
    counter = secrets.token_bytes(_HALF_BLOCK_BYTES) + bytes(_HALF_BLOCK_BYTES)
    ciphertext = Cipher(AES(key), CTR(counter)).encryptor().update(content)
    jwk = {
        "kty": "oct",
        "alg": "A256CTR",
        "ext": True,
        "key_ops": ["encrypt", "decrypt"],
        "k": _unpadded(urlsafe_b64encode(key)),
    }
    digest = _unpadded(b64encode(hashlib.sha256(ciphertext).digest()))
    return ciphertext, {"v": "v2", "key": jwk, "iv": _unpadded(b64encode(counter)), "hashes": {"sha256": digest}}


def _unpadded(encoded: bytes) -> str:
    return encoded.decode("ascii").rstrip("=")
