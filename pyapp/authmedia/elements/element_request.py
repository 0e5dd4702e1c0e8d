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
#: All attributes that are read of an element, once.
ATTRIBUTES = REQUEST_ATTRIBUTES + ("data-type", "data-blurhash", "width")
#: The kind of media, by the element's tag.
KIND_OF_TAG = {"img": "image", "video": "video", "audio": "audio"}
# Beyond these, users see no difference, while bodies grow with the square. The server's own limit is 2048 pixels.
_MAX_PIXEL_RATIO, _MAX_SIDE_PX = 3.0, 1920


def request_from_attributes(
    kind: str, attributes: "dict[str, str]", keyring: Keyring, pixel_ratio: float = 1.0, cache: str = CACHE_DEFAULT
) -> MediaRequest:
    """Returns the request of an element.

    :param kind: ``image``, ``video``, ``audio`` or ``file``.
    :param attributes: those of `REQUEST_ATTRIBUTES` and ``data-type`` that are set.
    :param keyring: the encrypted files that ``data-encrypted`` names.
    :param pixel_ratio: how many pixels a thumbnail has for each that the attributes name.
    :param cache: the cache policy.
    :raises AuthMediaError: if the attributes are invalid.
    """
    encrypted = keyring.find(attributes.get("data-encrypted", ""))
    width = 0 if encrypted else _parse_side(attributes.get("data-width", ""))
    height = 0 if encrypted else _parse_side(attributes.get("data-height", ""))
    scale = pixel_scale(pixel_ratio, max(width, height)) if pixel_ratio > 1 else 1
    return MediaRequest(
        attributes.get("data-mxc", ""),
        width=round(width * scale),
        height=round(height * scale),
        method=attributes.get("data-method") or "scale",
        animated=attributes.get("data-animated") == "true",
        kind=kind,
        content_type=attributes.get("data-type", ""),
        encrypted=encrypted,
        cache=cache,
    )


def _parse_side(text: str) -> int:
    """Parses a length in pixels, of which a fraction is rounded up, as of a measured element; 0 for anything else."""
    side = parse_digits(text)
    if side is None:
        whole, _, fraction = text.strip().partition(".")
        pixels, part = parse_digits(whole or "0"), parse_digits(fraction or "0")
        side = 0 if pixels is None or part is None else pixels + (part > 0)
    return side


def pixel_scale(pixel_ratio: float, side_px: int) -> float:
    """Returns how many pixels a thumbnail has for each CSS pixel: 1, 1.5, 2, 2.5 or 3.

    Few values, so that a user's zoom does not make every request a new one, which no cache has.

    :param pixel_ratio: the device pixels of a CSS pixel.
    :param side_px: the thumbnail's longer side in CSS pixels.
    """
    halves = int(min(pixel_ratio, _MAX_PIXEL_RATIO) * 2 + 0.999)  # upwards, so that it is not blurred
    largest = int(_MAX_SIDE_PX * 2 / max(side_px, 1))
    return max(min(halves, largest), 2) / 2
