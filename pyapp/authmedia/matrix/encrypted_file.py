"""Encrypted attachments: the ``EncryptedFile`` of an event, validated, and its keys kept out of the document.

https://spec.matrix.org/latest/client-server-api/#sending-encrypted-attachments
"""

import binascii
import hashlib

from authmedia.errors import MalformedEncryptedFile
from authmedia.support.base64url import base64url
from authmedia.support.untrusted import json_object, parse_digits

_VERSION = "v2"
_ALGORITHM = "A256CTR"
_KEY_BYTES = 32
_COUNTER_BYTES = 16
_DIGEST_BYTES = 32
_FINGERPRINT_CHARACTERS = 22
# The URL-safe alphabet of https://www.rfc-editor.org/rfc/rfc4648
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class EncryptedFile:
    """One attachment's key, counter and digest.

    :param file: an ``EncryptedFile`` of version 2, as it stands in the ``file`` of an event's content.
        Both alphabets of base64 are accepted, since a value means the same in either.
    :raises MalformedEncryptedFile: if it is anything else; nothing is repaired.
    """

    __slots__ = ("counter", "fingerprint", "key", "sha256", "url")

    def __init__(self, file: object) -> None:
        content = json_object(file)
        #: The ``mxc://`` URI of the ciphertext.
        self.url = str(content.get("url", ""))
        key = json_object(content.get("key"))
        self._require(content.get("v") == _VERSION, "'v' is not 'v2'")
        self._require(key.get("alg") == _ALGORITHM and key.get("kty") == "oct", "'key' is none for AES-256 in CTR mode")
        #: The key, as a JWK's ``k``. It is for `browser` alone: never for a URL, element or log.
        self.key = self._base64(key.get("k"), _KEY_BYTES, "'key.k' is not a key of 256 bits")
        #: The first counter block.
        self.counter = self._bytes(content.get("iv"), _COUNTER_BYTES, "'iv' is not one block of AES")
        #: The SHA-256 of the ciphertext.
        self.sha256 = self._bytes(
            json_object(content.get("hashes")).get("sha256"), _DIGEST_BYTES, "'hashes.sha256' is no SHA-256"
        )
        digest = hashlib.sha256(self.key.encode() + self.counter + self.sha256).digest()
        #: Distinguishes files with the same URI but other keys, without disclosing them.
        self.fingerprint = base64url(digest)[:_FINGERPRINT_CHARACTERS]

    def __repr__(self) -> str:
        return f"EncryptedFile({self.url!r})"  # without the key: reprs end up in logs

    def _bytes(self, text: object, length: int, problem: str) -> bytes:
        padded = self._base64(text, length, problem).replace("-", "+").replace("_", "/") + "=" * (-length % 3)
        return binascii.a2b_base64(padded.encode())  # MicroPython's takes no text

    def _base64(self, text: object, length: int, problem: str) -> str:
        """Validates base64 of ``length`` bytes; returns it in the URL-safe alphabet, without padding."""
        unpadded = text.replace("=", "").replace("+", "-").replace("/", "_") if isinstance(text, str) else ""
        known = all(character in _ALPHABET for character in unpadded)
        self._require(known and len(unpadded) == (length * 8 + 5) // 6, problem)
        return unpadded

    def _require(self, condition: bool, problem: str) -> None:
        if not condition:
            raise MalformedEncryptedFile(
                "The event's `file` is not an EncryptedFile", mxc=self.url[:120], words=problem
            )


class Keyring:
    """The encrypted files of the events on a page, each under a handle.

    Elements name the handle in ``data-encrypted``: keys do not belong into the document. Files are not looked up by
    their URI, because any event could then claim a wrong key for a media that it does not own.
    """

    __slots__ = ("_files",)

    def __init__(self) -> None:
        self._files: list[object] = []

    def add(self, file: object) -> str:
        """Adds an event's ``file``, valid or not; returns its handle."""
        self._files.append(file)
        return str(len(self._files))

    def find(self, handle: str) -> EncryptedFile | None:
        """Returns the file of a handle; ``None`` for an empty handle.

        :raises MalformedEncryptedFile: if the event's ``file`` is invalid, or the handle is unknown.
        """
        if not handle:
            return None
        number = parse_digits(handle) or 0
        return EncryptedFile(self._files[number - 1] if 0 < number <= len(self._files) else None)
