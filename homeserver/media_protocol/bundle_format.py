"""The format of a bundle: many media in one response body.

The body is a sequence of parts, in any order. Each part is a head, which is one line of JSON that ends with a newline,
and the content, which is exactly as many bytes as the head's ``length`` says:

    {"part": 0, "status": 200, "type": "image/png", "length": 4711}
    <4711 bytes>

``part`` is the index of the media in the request. The content of a part whose ``status`` is not 200 is a Matrix error
(https://spec.matrix.org/v1.16/client-server-api/#standard-error-response).
"""

import json
import re

CONTENT_TYPE = b"application/vnd.authmedia.bundle"
# The errcode of a part that would have fitted into an emptier bundle: the client requests it again.
BUNDLE_FULL = "DEV.AUTHMEDIA.BUNDLE_FULL"

# type "/" subtype, both tokens (https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1), in lower case.
_ESSENCE = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+/[a-z0-9!#$%&'*+.^_`|~-]+")
# Clients treat a bundle as broken where a head is longer than 1,024 bytes.
_MAX_ESSENCE_LENGTH = 100


def part_head(index: int, status: int, content_type: str, length: int) -> bytes:
    """Returns the line that stands before a part's content.

    :param index: the index of the media in the request.
    :param status: the HTTP status that the media would have had by itself.
    :param content_type: as its uploader has chosen it; only its essence is sent.
    :param length: of the content, in bytes.
    """
    head = {"part": index, "status": status, "type": mime_essence(content_type), "length": length}
    return json.dumps(head).encode() + b"\n"


def mime_essence(content_type: str) -> str:
    """Returns a type without its parameters, in lower case (https://mimesniff.spec.whatwg.org/#mime-type-essence).

    :returns: ``application/octet-stream`` for a type that is malformed or longer than 100 characters.
    """
    essence = content_type.partition(";")[0].strip().lower()
    is_valid = len(essence) <= _MAX_ESSENCE_LENGTH and _ESSENCE.fullmatch(essence)
    return essence if is_valid else "application/octet-stream"
