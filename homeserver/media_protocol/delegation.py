"""Links that a page signs by itself, with a key that the server has derived for one session and one bucket of time.

The server gives a session a key K once in a bucket, instead of a link for each media::

    D = HKDF-SHA256(secret, "media_links delegation")
    K = HKDF-Expand-SHA256(D, JSON of [version, key id, session handle, expiry, address])

With K the page appends ``&dsig=`` and an HMAC-SHA256 of path and query to the URL of a media, in hexadecimal digits:
MicroPython writes those in a microsecond, and base64 in thirty. Nothing is stored: to verify a link, the server derives
K again from the handle and the expiry in the URL, signs what it has parsed, and compares both URLs as bytes in constant
time. So a delegated link has exactly one spelling, as any link has.

K signs links of this session and this expiry alone, since both are part of its derivation. It is no key of the server:
no signature tells K, and K tells neither the secret nor the key of another session, bucket or address. AWS derives keys
alike: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

HKDF: https://www.rfc-editor.org/rfc/rfc5869, HMAC: https://www.rfc-editor.org/rfc/rfc2104
"""

import hmac
import re
from dataclasses import dataclass

from .signing import (
    LINK_QUERY,
    ExpiredLink,
    InvalidSignature,
    Keyring,
    Link,
    parse_query,
    split_uri,
    unsigned_url,
)

#: Separates a delegated link's signature from what is signed.
SIGNATURE_PARAMETER = "&dsig="

_QUERY = re.compile(LINK_QUERY + r"(?:&r=(?P<revision>[1-9][0-9]{0,15}))?" + SIGNATURE_PARAMETER + r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Delegation:
    """What a delegated key is for.

    :param key_id: the id of the secret that it is derived from.
    :param session: the handle of the session, as ``Keyring.seal`` has returned it.
    :param expires_ms: when its links expire, in milliseconds since 1970: the same within one bucket.
    :param address: the client's address, where links are bound to it.
    """

    key_id: str
    session: str
    expires_ms: int
    address: str | None = None

    def derive_key(self, keyring: Keyring) -> bytes:
        """Derives the key.

        :raises InvalidSignature: if the keyring has no secret of this id.
        """
        return keyring.derive_delegated_key(self.key_id, [self.session, self.expires_ms, self.address])


@dataclass(frozen=True, slots=True)
class DelegatedLink:
    """What a page grants with a link that it has signed.

    :param revision: distinguishes the URL from another one of the same media, which a cache may have; 0 for none.
    """

    link: Link
    revision: int = 0


def is_delegated(uri: bytes) -> bool:
    """Whether a URI has the form of a delegated link rather than that of one that the server has signed."""
    return SIGNATURE_PARAMETER.encode("ascii") in uri


def sign_delegated(key: bytes, link: DelegatedLink) -> str:
    """Signs a link with a delegated key, as a page does.

    :returns: path and query of the URL.
    """
    unsigned = unsigned_url(link.link)
    if link.revision:
        unsigned += f"&r={link.revision}"
    signature = hmac.digest(key, unsigned.encode("ascii"), "sha256")
    return f"{unsigned}{SIGNATURE_PARAMETER}{signature.hex()}"


def verify_delegated(keyring: Keyring, uri: bytes, now_ms: int, address: str | None = None) -> DelegatedLink:
    """Parses a delegated link and verifies its signature and its expiry, in this order.

    :param uri: path and query exactly as the client has sent them.
    :param now_ms: in milliseconds since 1970.
    :param address: the client's address, where links are bound to it.
    :raises InvalidSignature:
    :raises ExpiredLink:
    """
    parsed = _parse(uri)
    link = parsed.link
    key = Delegation(link.key_id, link.session, link.expires_ms, address).derive_key(keyring)
    if not hmac.compare_digest(sign_delegated(key, parsed).encode("ascii"), uri):
        raise InvalidSignature
    if link.expires_ms <= now_ms:
        raise ExpiredLink
    return parsed


def _parse(uri: bytes) -> DelegatedLink:
    """Parses a delegated link without verifying it.

    :raises InvalidSignature: if it has not the form of one.
    """
    media, query = split_uri(uri)
    values = _QUERY.fullmatch(query)
    if values is None:
        raise InvalidSignature
    return DelegatedLink(parse_query(media, values), int(values["revision"] or 0))
