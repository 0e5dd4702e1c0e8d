"""The media request in an element's ``data-*`` attributes."""

from authmedia.matrix.encrypted_file import Keyring
from authmedia.media import CACHE_DEFAULT, MediaRequest
from authmedia.support.untrusted import parse_digits

#: The attributes that make up the request: a change of one of them is another request.
REQUEST_ATTRIBUTES = (
    "data-mxc",
    "data-width",
    "data-height",
    "data-method",
    "data-animated",
    "data-encrypted",
)
#: The kind of media, by the element's tag.
KIND_OF_TAG = {"img": "image", "video": "video", "audio": "audio"}


def request_from_attributes(
    tag: str, attributes: "dict[str, str]", keyring: Keyring, cache: str = CACHE_DEFAULT
) -> MediaRequest:
    """Returns the request of an element.

    :param tag: ``img``, ``video`` or ``audio``.
    :param attributes: those of `REQUEST_ATTRIBUTES` and ``data-type`` that are set.
    :param keyring: the encrypted files that ``data-encrypted`` names.
    :param cache: the cache policy.
    :raises AuthMediaError: if the attributes are invalid.
    """
    encrypted = keyring.find(attributes.get("data-encrypted", ""))
    return MediaRequest(
        attributes.get("data-mxc", ""),
        width=0 if encrypted else parse_digits(attributes.get("data-width", "")) or 0,
        height=0 if encrypted else parse_digits(attributes.get("data-height", "")) or 0,
        method=attributes.get("data-method") or "scale",
        animated=attributes.get("data-animated") == "true",
        kind=KIND_OF_TAG[tag],
        content_type=attributes.get("data-type", ""),
        encrypted=encrypted,
        cache=cache,
    )
