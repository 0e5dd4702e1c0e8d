"""Signs and verifies links to media.

A link's URL has exactly one spelling. To verify a link, the server parses its URL, signs the result anew and compares
both URLs as bytes in constant time. A URL with a parameter that is added, repeated, omitted, reordered or encoded
differently is therefore invalid, as is any URL that differs from the signed one by a single byte.

Three keys are derived from each configured secret with HKDF (https://www.rfc-editor.org/rfc/rfc5869). One signs links
with HMAC-SHA256 (https://www.rfc-editor.org/rfc/rfc2104). One encrypts the session in them with AES-SIV
(https://www.rfc-editor.org/rfc/rfc5297), which is deterministic: a session has the same handle in all its links, so
the URL of a media stays the same and the browser's HTTP cache is used. From the third, keys are derived with which
pages sign links by themselves (``delegation``).
"""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

PREFIX = "/_matrix/client/unstable/dev.authmedia/media"
SIGNED_PREFIX = PREFIX + "/signed/"

KEY_ID_PATTERN = "[A-Za-z0-9_-]{1,32}"
MAX_THUMBNAIL_SIDE = 2048
THUMBNAIL_METHODS = ("crop", "scale")

# Signed with each link, so that a signature of one version is invalid in every other version.
_VERSION = "media_links 1"
_DELEGATION_VERSION = "media_links delegated 1"

# https://spec.matrix.org/v1.16/appendices/#server-name
# Labels are not empty, as in Synapse: its media store would take names like ".." for parent directories.
_SERVER_NAME = re.compile(
    r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?"
)
_MAX_HOST_LENGTH = 255
# https://spec.matrix.org/v1.16/client-server-api/#security-considerations-5
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
#: What the queries of links have in common, as a regular expression; all of them end with a signature.
LINK_QUERY = (
    rf"k=(?P<key>{KEY_ID_PATTERN})&e=(?P<expires>[1-9][0-9]{{0,15}})&s=(?P<session>[A-Za-z0-9_-]{{1,1024}})"
    r"(?:&w=(?P<width>[1-9][0-9]{0,3})&h=(?P<height>[1-9][0-9]{0,3})&m=(?P<method>crop|scale)(?P<animated>&a=1)?)?"
    # The longest name, percent-encoded: a file name has at most 255 bytes on common file systems.
    r"(?P<download>&d=1(?:&n=(?P<file_name>[A-Za-z0-9._~%-]{1,765}))?)?"
)
#: The bytes of the longest name that a link can have a file saved with, as UTF-8.
MAX_FILE_NAME_BYTES = 255
_QUERY = re.compile(LINK_QUERY + "&sig=[A-Za-z0-9_-]{43}")


class InvalidLink(Exception):
    """A link that cannot be used: the base class of the errors below."""


class InvalidSignature(InvalidLink):
    """A link that this server has not signed for this client address, or a handle that it has not sealed."""


class ExpiredLink(InvalidLink):
    """A link with a valid signature whose expiry has passed."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """The parameters of a thumbnail, in pixels.

    https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv1mediathumbnailservernamemediaid
    """

    width: int
    height: int
    method: str = "scale"
    animated: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """One media, or one thumbnail of it.

    :param download: whether browsers are to save it as a file (``Content-Disposition: attachment``).
    :param file_name: the name to save it with, instead of the one that it was uploaded with; only with ``download``.
    """

    server_name: str
    media_id: str
    thumbnail: Thumbnail | None = None
    download: bool = False
    file_name: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """What a link grants: one media, for a limited time, as long as a session exists.

    :param key_id: the id of the secret that signs the link.
    :param expires_ms: in milliseconds since 1970.
    :param session: the handle of the session, as ``Keyring.seal`` has returned it.
    """

    key_id: str
    media: Media
    expires_ms: int
    session: str


def is_server_name(name: str) -> bool:
    """Whether a text is a Matrix server name: a host name or an IP address, and optionally a port."""
    match = _SERVER_NAME.fullmatch(name)
    if match is None or len(match["host"]) > _MAX_HOST_LENGTH:
        return False
    return match["ipv6"] is None or _is_ipv6(match["ipv6"])


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def parse_mxc(uri: str) -> Media | None:
    """Parses an ``mxc://`` URI (https://spec.matrix.org/v1.16/client-server-api/#matrix-content-mxc-uris).

    :returns: ``None`` if it is malformed.
    """
    scheme, _, rest = uri.partition("://")
    server_name, _, media_id = rest.partition("/")
    return parse_media(server_name, media_id) if scheme == "mxc" else None


def parse_media(server_name: str, media_id: str) -> Media | None:
    """Validates the server name and the media id of a media.

    :returns: ``None`` if one of them is malformed.
    """
    if is_server_name(server_name) and _MEDIA_ID.fullmatch(media_id):
        return Media(server_name, media_id)
    return None


def bucketed_expiry_ms(now_ms: int, lifetime_ms: int, bucket_ms: int, session: str) -> int:
    """Returns the expiry of a link that is minted now: the same for all links of a session within one time bucket.

    A link is valid for at least ``lifetime_ms`` and at most ``lifetime_ms + bucket_ms``. The phase of a session's
    buckets is derived from its handle. With one phase for all, all users would fetch their media anew at the same time.

    :param now_ms: in milliseconds since 1970, as is the expiry.
    :param session: the handle of the session.
    """
    phase_ms = int.from_bytes(hashlib.sha256(session.encode()).digest()[:8], "big") % bucket_ms
    bucket = (now_ms - phase_ms) // bucket_ms
    return (bucket + 1) * bucket_ms + phase_ms + lifetime_ms


class Keyring:
    """The keys derived from the configured secrets: the first one signs, all of them verify.

    :param secrets: pairs of key id and secret.
    """

    def __init__(self, secrets: Iterable[tuple[str, bytes]]) -> None:
        self._keys = {key_id: _DerivedKeys(secret) for key_id, secret in secrets}
        self.signing_key_id = next(iter(self._keys))

    def __repr__(self) -> str:
        return f"Keyring({list(self._keys)})"

    def seal(self, session: bytes, purpose: str | None = None) -> str:
        """Encrypts a session into an opaque handle, deterministically.

        :param purpose: what the handle is for; ``None`` for links. A handle opens for the purpose it was sealed for.
        """
        cipher = self._keys[self.signing_key_id].session_cipher
        return base64url_encode(cipher.encrypt(session, _associated_data(purpose)))

    def open(self, key_id: str, handle: str, purpose: str | None = None) -> bytes:
        """Decrypts a handle into the session.

        :raises InvalidSignature: if ``seal`` has not returned this handle for this key and this purpose.
        """
        try:
            cipher = self._keys[key_id].session_cipher
            return cipher.decrypt(_base64url_decode(handle), _associated_data(purpose))
        except (KeyError, InvalidTag, ValueError, Base64Error) as error:
            raise InvalidSignature from error

    def seal_token(self, content: bytes, purpose: str) -> str:
        """Returns ``seal``'s handle with the id of its key in front of it, to be used outside of a link."""
        return f"{self.signing_key_id}.{self.seal(content, purpose)}"

    def open_token(self, token: str, purpose: str) -> bytes:
        """Decrypts a token that ``seal_token`` has returned.

        :raises InvalidSignature: if it is any other text.
        """
        key_id, _, handle = token.partition(".")
        return self.open(key_id, handle, purpose)

    def sign(self, link: Link, address: str | None = None) -> str:
        """Signs a link.

        :param address: the client's address, where links are bound to it; it is signed, but not part of the URL.
        :returns: path and query of the URL.
        """
        signature = hmac.digest(self._keys[link.key_id].signing_key, _canonical_form(link, address), "sha256")
        return f"{unsigned_url(link)}&sig={base64url_encode(signature)}"

    def verify(self, uri: bytes, now_ms: int, address: str | None = None) -> Link:
        """Parses a link and verifies its signature and its expiry, in this order.

        :param uri: path and query exactly as the client has sent them.
        :param now_ms: in milliseconds since 1970.
        :param address: the client's address, where links are bound to it.
        :raises InvalidSignature:
        :raises ExpiredLink:
        """
        link = _parse(uri)
        if link.key_id not in self._keys:
            raise InvalidSignature
        if not hmac.compare_digest(self.sign(link, address).encode("ascii"), uri):
            raise InvalidSignature
        if link.expires_ms <= now_ms:
            raise ExpiredLink
        return link

    def derive_delegated_key(self, key_id: str, context: Sequence[str | int | None]) -> bytes:
        """Derives a key with which a page signs links by itself; see ``delegation``.

        :param context: what the key is for.
        :raises InvalidSignature: if there is no secret of this id.
        """
        if key_id not in self._keys:
            raise InvalidSignature
        info = json.dumps([_DELEGATION_VERSION, key_id, *context], separators=(",", ":")).encode("ascii")
        return HKDFExpand(algorithm=SHA256(), length=32, info=info).derive(self._keys[key_id].delegation_key)


class _DerivedKeys:
    """The three keys that are derived from one secret."""

    def __init__(self, secret: bytes) -> None:
        self.signing_key = _derive_key(secret, b"media_links signature", 32)
        self.session_cipher = AESSIV(_derive_key(secret, b"media_links session", 64))
        self.delegation_key = _derive_key(secret, b"media_links delegation", 32)


def _associated_data(purpose: str | None) -> list[bytes] | None:
    return None if purpose is None else [purpose.encode("ascii")]


def _derive_key(secret: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(secret)


def _canonical_form(link: Link, address: str | None) -> bytes:
    """Returns the bytes that are signed: a JSON array, whose encoding is unambiguous."""
    media = link.media
    shape = media.thumbnail
    thumbnail = [shape.width, shape.height, shape.method, shape.animated] if shape else None
    names = [media.server_name, media.media_id, thumbnail, media.file_name or media.download]
    parts = [_VERSION, link.key_id, *names, link.expires_ms, link.session, address]
    return json.dumps(parts, separators=(",", ":")).encode("ascii")


def unsigned_url(link: Link) -> str:
    """Returns path and query of a link's URL, without its signature."""
    media = link.media
    shape = media.thumbnail
    path = f"{SIGNED_PREFIX}{quote(media.server_name, safe=':')}/{media.media_id}"
    query = f"k={link.key_id}&e={link.expires_ms}&s={link.session}"
    if shape:
        query += f"&w={shape.width}&h={shape.height}&m={shape.method}" + ("&a=1" if shape.animated else "")
    if media.download:
        query += "&d=1" + (f"&n={quote(media.file_name, safe='')}" if media.file_name else "")
    return f"{path}?{query}"


def split_uri(uri: bytes) -> tuple[Media, str]:
    """Returns the media that the path of a link names, and the link's query.

    :raises InvalidSignature: if the path has not the form of a link's.
    """
    try:
        path, _, query = uri.decode("ascii").partition("?")
    except UnicodeDecodeError as error:
        raise InvalidSignature from error
    names = path.removeprefix(SIGNED_PREFIX).split("/")
    media = parse_media(unquote(names[0]), names[1]) if len(names) == 2 else None
    if media is None:
        raise InvalidSignature
    return media, query


def parse_query(media: Media, values: re.Match[str]) -> Link:
    """Returns a link, which is not verified.

    :param media: the media that its path names.
    :param values: the match of a pattern that contains ``LINK_QUERY``.
    :raises InvalidSignature: if its file name is not UTF-8.
    """
    thumbnail = None
    if values["width"]:
        size = int(values["width"]), int(values["height"])
        thumbnail = Thumbnail(*size, values["method"], values["animated"] is not None)
    try:
        file_name = unquote(values["file_name"], errors="strict") if values["file_name"] else None
    except UnicodeDecodeError as error:
        raise InvalidSignature from error
    download = values["download"] is not None
    media = replace(media, thumbnail=thumbnail, download=download, file_name=file_name)
    return Link(values["key"], media, int(values["expires"]), values["session"])


def _parse(uri: bytes) -> Link:
    """Parses a link without verifying it.

    :raises InvalidSignature: if it has not the form of a link.
    """
    media, query = split_uri(uri)
    values = _QUERY.fullmatch(query)
    if values is None:
        raise InvalidSignature
    return parse_query(media, values)


def base64url_encode(data: bytes) -> str:
    """Encodes bytes as base64url, without padding."""
    return urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _base64url_decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
