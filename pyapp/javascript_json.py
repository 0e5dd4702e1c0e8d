"""What ``authmedia.js`` and Python tell each other as JSON: options and requests, media and errors."""

import json

from authmedia.errors import AuthMediaError
from authmedia.matrix.encrypted_file import EncryptedFile
from authmedia.media import Media, MediaRequest
from authmedia.support.limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from authmedia.elements.media_policy import MediaPolicy


class InvalidOption(AuthMediaError):
    """An option of ``start`` or of a request has a value that it cannot have."""

    advice = "See the table of options in authmedia.d.ts."


def describe_error(error: BaseException) -> "dict[str, Any]":
    """Returns the fields of JavaScript's ``AuthMediaError``."""
    if not isinstance(error, AuthMediaError):
        # Of an unexpected error only the class is passed on: its message may quote a link.
        error = AuthMediaError(f"The Python side of authmedia ended in a {type(error).__name__}")
    return {
        "errorClass": type(error).__name__,
        "message": str(error),
        "userMessage": error.user_message,
        "mxc": error.mxc,
        "words": error.words,
        "retry": error.temporary or error.retry_at_once,
        "retryAfterSeconds": error.retry_after_s,
    }


def describe_media(media: Media) -> "dict[str, Any]":
    """Returns what ``load`` and the events tell of a media."""
    return {
        "src": media.src,
        "strategy": media.strategy,
        "source": media.source,
        "reason": media.reason,
        "contentType": media.content_type,
        "expires": media.valid_until_ms,
    }


def open_policy(fields: "dict[str, Any] | None") -> "MediaPolicy | None":
    """Returns the policy that ``start`` or ``setPolicy`` describes; ``None`` without one."""
    if fields is None:
        return None
    from authmedia.elements import held_back, still  # noqa: F401  (which `bind` imports by name)
    from authmedia.elements.media_policy import MediaPolicy  # not every client has one

    return MediaPolicy(**fields)


def read_limits(fields: "dict[str, Any] | None") -> Limits | None:
    """Returns the limits that ``start`` describes; ``None`` for the defaults.

    :raises ValueError: if one is not allowed.
    """
    if fields is None:
        return None
    defaults = Limits()
    return Limits(
        transfers=fields.get("transfers", defaults.transfers),
        idle_bytes=fields.get("idleBytes", defaults.idle_bytes),
        disk_bytes=fields.get("diskBytes", defaults.disk_bytes),
        original_bytes=fields.get("originalBytes", defaults.original_bytes),
    )


def read_request(text: str) -> MediaRequest:
    """Returns the request that ``load`` or ``forget`` describes in JSON.

    :raises InvalidOption: if it is not allowed.
    """
    fields = json.loads(text)
    encrypted = EncryptedFile(fields["file"]) if fields["file"] else None
    try:
        return MediaRequest(
            encrypted.url if encrypted else fields["mxc"],
            width=fields["width"],
            height=fields["height"],
            method=fields["method"],
            animated=fields["animated"],
            kind=fields["kind"],
            content_type=fields["contentType"],
            size=fields["size"],
            encrypted=encrypted,
            cache=fields["cache"],
        )
    except ValueError as error:
        raise InvalidOption(str(error), mxc=fields["mxc"])
