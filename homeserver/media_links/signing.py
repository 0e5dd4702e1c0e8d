"""What a link grants, in one canonical form, signed.

A link's URL has exactly one spelling. To check one, its parts are read, the URL that *we* would have made from them is
made again, signature included, and the two are compared as bytes in constant time. So nothing can be doubled, added,
left out, re-ordered or encoded otherwise: whatever differs from our own spelling by one byte is not our link.

Two keys are derived from each configured secret with HKDF (https://www.rfc-editor.org/rfc/rfc5869): one signs links
with HMAC-SHA256 (https://www.rfc-editor.org/rfc/rfc2104), one hides the session in them with AES-SIV
(https://www.rfc-editor.org/rfc/rfc5297), which is deterministic: the same session always gives the same handle, so the
same link, so that a browser's HTTP cache knows it again.
"""

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX = "/_matrix/client/unstable/dev.authmedia/media"
SIGNED_PREFIX = PREFIX + "/signed/"

KEY_ID = "[A-Za-z0-9_-]{1,32}"
MAX_THUMBNAIL_SIDE = 2048
METHODS = ("crop", "scale")

# Part of what is signed, so that a later form of link can never be mistaken for this one.
_VERSION = "media_links 1"

# https://spec.matrix.org/v1.16/appendices/#server-name
# Every label of a name has a character, as Synapse has it too: names of dots alone are directories to its media store.
_SERVER_NAME = re.compile(
    r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\])(?::[0-9]{1,5})?"
)
_MAX_HOST_LENGTH = 255
# https://spec.matrix.org/v1.16/client-server-api/#security-considerations-5
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_QUERY = re.compile(
    rf"k=(?P<key>{KEY_ID})&e=(?P<expires>[1-9][0-9]{{0,15}})&s=(?P<session>[A-Za-z0-9_-]{{1,1024}})"
    r"(?:&w=(?P<width>[1-9][0-9]{0,3})&h=(?P<height>[1-9][0-9]{0,3})&m=(?P<method>crop|scale)(?P<animated>&a=1)?)?"
    r"(?P<download>&d=1)?&sig=[A-Za-z0-9_-]{43}"
)


class LinkRefused(Exception):
    """A link that is not, or no longer, good."""


class LinkAltered(LinkRefused):
    """Not a link that this server made, for this address."""


class LinkExpired(LinkRefused):
    """A link that this server did make, and whose time is over."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """The parameters of a thumbnail, see
    https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv1mediathumbnailservernamemediaid
    """

    width: int
    height: int
    method: str = "scale"
    animated: bool = False


@dataclass(frozen=True, slots=True)
class Media:
    """One media, or one thumbnail of it; to be shown, or to be saved as a file."""

    server_name: str
    media_id: str
    thumbnail: Thumbnail | None = None
    download: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """Everything that a link says: this media, until then, for that session."""

    key_id: str
    media: Media
    expires_ms: int
    session: str


def valid_server_name(name: str) -> bool:
    """Whether this is a server name as Matrix knows them: a host or an address, and maybe a port."""
    found = _SERVER_NAME.fullmatch(name)
    if found is None or len(found["host"]) > _MAX_HOST_LENGTH:
        return False
    return found["ipv6"] is None or _is_ipv6(found["ipv6"])


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def parse_mxc(uri: str) -> Media | None:
    """Reads an ``mxc://`` URI (https://spec.matrix.org/v1.16/client-server-api/#matrix-content-mxc-uris).

    :returns: nothing where it is malformed.
    """
    scheme, _, rest = uri.partition("://")
    server_name, _, media_id = rest.partition("/")
    return parse_media(server_name, media_id) if scheme == "mxc" else None


def parse_media(server_name: str, media_id: str) -> Media | None:
    """Checks both halves of a media's name; gives nothing where one is malformed."""
    if valid_server_name(server_name) and _MEDIA_ID.fullmatch(media_id):
        return Media(server_name, media_id)
    return None


def expiry(now_ms: int, lifetime_ms: int, bucket_ms: int, session: str) -> int:
    """When a link minted now expires: the same time for everything a session mints within one bucket.

    A link lives at least ``lifetime_ms`` and at most ``lifetime_ms + bucket_ms``. Where a session's buckets begin is
    drawn from its handle: if they all began together, all users would fetch all their media again at one moment.
    """
    phase = int.from_bytes(hashlib.sha256(session.encode()).digest()[:8], "big") % bucket_ms
    begun = (now_ms - phase) // bucket_ms
    return (begun + 1) * bucket_ms + phase + lifetime_ms


class Keyring:
    """The secrets, of which the first one signs and all verify.

    :param secrets: pairs of key id and secret.
    """

    def __init__(self, secrets: Iterable[tuple[str, bytes]]) -> None:
        self._keys = {key_id: _Key(secret) for key_id, secret in secrets}
        self.signing_id = next(iter(self._keys))

    def __repr__(self) -> str:
        return f"Keyring({list(self._keys)})"

    def seal(self, session: bytes, purpose: str | None = None) -> str:
        """Hides a session in an opaque handle, the same each time.

        :param purpose: what else it is sealed for than a link; what was sealed for one purpose opens for no other.
        """
        return _encode(self._keys[self.signing_id].session.encrypt(session, _associated(purpose)))

    def open(self, key_id: str, handle: str, purpose: str | None = None) -> bytes:
        """Gets a session back out of its handle.

        :raises LinkAltered: if the handle is not one that ``seal`` made with this key, for this purpose.
        """
        try:
            return self._keys[key_id].session.decrypt(_decode(handle), _associated(purpose))
        except (KeyError, InvalidTag, ValueError, Base64Error) as error:
            raise LinkAltered from error

    def seal_token(self, content: bytes, purpose: str) -> str:
        """A handle with its key's id before it, for where it stands alone."""
        return f"{self.signing_id}.{self.seal(content, purpose)}"

    def open_token(self, token: str, purpose: str) -> bytes:
        """Gets back what ``seal_token`` has hidden.

        :raises LinkAltered:
        """
        key_id, _, handle = token.partition(".")
        return self.open(key_id, handle, purpose)

    def sign(self, link: Link, address: str | None = None) -> str:
        """Writes a link down and signs it.

        :param address: the client's address, where links are bound to it; it is signed but does not stand in the URL.
        :returns: path and query of the URL.
        """
        signature = hmac.digest(self._keys[link.key_id].signature, _canonical(link, address), "sha256")
        return f"{_unsigned(link)}&sig={_encode(signature)}"

    def verify(self, uri: bytes, now_ms: int, address: str | None = None) -> Link:
        """Reads a link, if it is one of ours and still good.

        :param uri: path and query exactly as they came over the wire.
        :param address: the client's address, where links are bound to it.
        :raises LinkAltered, LinkExpired:
        """
        link = _read(uri)
        if link.key_id not in self._keys:
            raise LinkAltered
        if not hmac.compare_digest(self.sign(link, address).encode("ascii"), uri):
            raise LinkAltered
        if link.expires_ms <= now_ms:
            raise LinkExpired
        return link


class _Key:
    """The two keys that are derived from one secret."""

    def __init__(self, secret: bytes) -> None:
        self.signature = _derive(secret, b"media_links signature", 32)
        self.session = AESSIV(_derive(secret, b"media_links session", 64))


def _associated(purpose: str | None) -> list[bytes] | None:
    return None if purpose is None else [purpose.encode("ascii")]


def _derive(secret: bytes, purpose: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose).derive(secret)


def _canonical(link: Link, address: str | None) -> bytes:
    """The bytes that are signed: a JSON array, in which no part can run into its neighbour."""
    media = link.media
    shape = media.thumbnail
    thumbnail = [shape.width, shape.height, shape.method, shape.animated] if shape else None
    names = [media.server_name, media.media_id, thumbnail, media.download]
    parts = [_VERSION, link.key_id, *names, link.expires_ms, link.session, address]
    return json.dumps(parts, separators=(",", ":")).encode("ascii")


def _unsigned(link: Link) -> str:
    media = link.media
    shape = media.thumbnail
    path = f"{SIGNED_PREFIX}{quote(media.server_name, safe=':')}/{media.media_id}"
    query = f"k={link.key_id}&e={link.expires_ms}&s={link.session}"
    if shape:
        query += f"&w={shape.width}&h={shape.height}&m={shape.method}" + ("&a=1" if shape.animated else "")
    return f"{path}?{query}" + ("&d=1" if media.download else "")


def _read(uri: bytes) -> Link:
    """Takes a link apart, without believing any of it."""
    try:
        path, _, query = uri.decode("ascii").partition("?")
    except UnicodeDecodeError as error:
        raise LinkAltered from error
    names = path.removeprefix(SIGNED_PREFIX).split("/")
    values = _QUERY.fullmatch(query)
    media = parse_media(unquote(names[0]), names[1]) if len(names) == 2 else None
    if values is None or media is None:
        raise LinkAltered
    thumbnail = None
    if values["width"]:
        size = int(values["width"]), int(values["height"])
        thumbnail = Thumbnail(*size, values["method"], values["animated"] is not None)
    media = replace(media, thumbnail=thumbnail, download=values["download"] is not None)
    return Link(values["key"], media, int(values["expires"]), values["session"])


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
