"""Encrypted attachments: what an event says of one, checked, and kept out of the page.

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
_FINGERPRINT = 22
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# Of base64. https://www.rfc-editor.org/rfc/rfc4648
_STANDARD, _URL_SAFE = _LETTERS + "+/", _LETTERS + "-_"


class EncryptedFile:
    """One attachment's key, counter and digest, out of the ``file`` of an event's content.

    :param file: an ``EncryptedFile`` of version 2, as it stands in the event.
    :raises MalformedEncryptedFile: if it is anything else; nothing of it is repaired.
    """

    __slots__ = ("counter", "fingerprint", "key", "sha256", "url")

    def __init__(self, file: object) -> None:
        content = json_object(file)
        #: Where the ciphertext is.
        self.url = str(content.get("url", ""))
        key = json_object(content.get("key"))
        self._insist(content.get("v") == _VERSION, "'v' is not 'v2'")
        self._insist(key.get("alg") == _ALGORITHM and key.get("kty") == "oct", "'key' is none for AES-256 in CTR mode")
        #: The key as a JWK has it. It is for `browser` alone: never a URL, an element or a log.
        self.key = self._base64(key.get("k"), _KEY_BYTES, _URL_SAFE, "'key.k' is not a key of 256 bits")
        #: The first block of the counter.
        self.counter = self._bytes(content.get("iv"), _COUNTER_BYTES, "'iv' is not one block of AES")
        #: The digest of the ciphertext.
        self.sha256 = self._bytes(
            json_object(content.get("hashes")).get("sha256"), _DIGEST_BYTES, "'hashes.sha256' is no SHA-256"
        )
        #: Tells files of the same address but other keys apart, and gives nothing away.
        self.fingerprint = base64url(hashlib.sha256(self.key.encode() + self.counter + self.sha256).digest())[
            :_FINGERPRINT
        ]

    def __repr__(self) -> str:
        return f"EncryptedFile({self.url!r})"  # without the key: reprs end up in logs

    def _bytes(self, text: object, length: int, problem: str) -> bytes:
        padded = self._base64(text, length, _STANDARD, problem) + "=" * (-length % 3)
        return binascii.a2b_base64(padded.encode())  # MicroPython's takes no text

    def _base64(self, text: object, length: int, alphabet: str, problem: str) -> str:
        """Base64 of so many bytes without its padding, which some clients add though none is due."""
        given = text.replace("=", "") if isinstance(text, str) else ""
        known = all(character in alphabet for character in given)
        self._insist(known and len(given) == (length * 8 + 5) // 6, problem)
        return given

    def _insist(self, holds: bool, problem: str) -> None:
        if not holds:
            raise MalformedEncryptedFile(
                "The event's `file` is not an EncryptedFile", mxc=self.url[:120], words=problem
            )


class Keyring:
    """The encrypted files that events told of, each by a handle of its own.

    Elements name the handle (``data-encrypted``): a key does not belong into the page. And they are not looked up by
    address, or else any message could say something untrue of a media that it does not own.
    """

    __slots__ = ("_files",)

    def __init__(self) -> None:
        self._files: list[object] = []

    def add(self, file: object) -> str:
        """Takes an event's ``file``, well made or not; gives its handle."""
        self._files.append(file)
        return str(len(self._files))

    def find(self, handle: str) -> EncryptedFile | None:
        """What an element's handle stands for; ``None`` where it has none.

        :raises MalformedEncryptedFile: if what the event said cannot be right, or there is nothing of that handle.
        """
        if not handle:
            return None
        number = parse_digits(handle) or 0
        return EncryptedFile(self._files[number - 1] if 0 < number <= len(self._files) else None)
