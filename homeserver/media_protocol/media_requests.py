"""Parses what clients request: the entries of a batch, and the parameters of thumbnails."""

from dataclasses import replace
from typing import Any

from .signing import MAX_FILE_NAME_BYTES, MAX_THUMBNAIL_SIDE, THUMBNAIL_METHODS, Media, Thumbnail, parse_mxc

#: The id of no media: a link to it shows whether links arrive at the server as they were minted.
PROBE_ID = "dev_authmedia_probe"

# https://spec.matrix.org/v1.16/client-server-api/#common-error-codes
_BAD_JSON = "M_BAD_JSON"
_INVALID_PARAM = "M_INVALID_PARAM"
_TOO_LARGE = "M_TOO_LARGE"


# The parameters of links; of others, only the number is told.
_LINK_PARAMETERS = ("k", "e", "s", "w", "h", "m", "a", "d", "n", "r", "sig", "dsig")
_MAX_TOLD_PARAMETERS = 20


def received_parameters(uri: str) -> list[str]:
    """Returns the names of a query's parameters as they have arrived, for a page whose link to no media was altered.

    :returns: ``?`` for each parameter that no link has.
    """
    parts = [part for part in uri.partition("?")[2].split("&") if part]
    names = [part.partition("=")[0] for part in parts[:_MAX_TOLD_PARAMETERS]]
    return [name if name in _LINK_PARAMETERS else "?" for name in names]


class InvalidRequest(Exception):
    """A request, or one entry of a batch, that is malformed.

    :param status: of the HTTP response.
    :param errcode: of the Matrix error.
    """

    def __init__(self, status: int, message: str, errcode: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errcode = errcode


def parse_thumbnail(parameters: Any) -> Thumbnail:
    """Parses the ``thumbnail`` of a batch entry.

    :raises InvalidRequest: 400 if a parameter is missing or out of range.
    """
    if not isinstance(parameters, dict):
        raise InvalidRequest(400, "'thumbnail' must be an object", _BAD_JSON)
    sides = parameters.get("width"), parameters.get("height")
    if not all(type(side) is int and 1 <= side <= MAX_THUMBNAIL_SIDE for side in sides):
        raise InvalidRequest(
            400, f"'width' and 'height' must be whole numbers from 1 to {MAX_THUMBNAIL_SIDE}", _INVALID_PARAM
        )
    method = parameters.get("method", "scale")
    if method not in THUMBNAIL_METHODS:
        raise InvalidRequest(400, "'method' must be 'crop' or 'scale'", _INVALID_PARAM)
    animated = parameters.get("animated", False)
    if not isinstance(animated, bool):
        raise InvalidRequest(400, "'animated' must be true or false", _INVALID_PARAM)
    return Thumbnail(parameters["width"], parameters["height"], method, animated)


def parse_batch(body: dict[str, Any], limit: int) -> list[Media | InvalidRequest]:
    """Parses the ``media`` of a request for links or for a bundle.

    :param limit: the maximum number of entries.
    :returns: for each entry its media, or the error that the response has in its place.
    :raises InvalidRequest: 400 if ``media`` is no list, 413 if it is longer than the limit.
    """
    entries = body.get("media")
    if not isinstance(entries, list):
        raise InvalidRequest(400, "'media' must be a list", _BAD_JSON)
    if len(entries) > limit:
        raise InvalidRequest(413, f"At most {limit} media can be asked for at once", _TOO_LARGE)
    return [_entry_or_error(entry) for entry in entries]


def parse_flag(body: dict[str, Any], name: str) -> bool:
    """Returns a boolean of a request for links, which is false where it is missing.

    :raises InvalidRequest: 400 if it is no boolean.
    """
    flag = body.get(name, False)
    if not isinstance(flag, bool):
        raise InvalidRequest(400, f"'{name}' must be true or false", _BAD_JSON)
    return flag


def _entry_or_error(entry: object) -> Media | InvalidRequest:
    try:
        return _parse_entry(entry)
    except InvalidRequest as error:
        return error


def _parse_entry(entry: object) -> Media:
    if not isinstance(entry, dict):
        raise InvalidRequest(400, "An entry of 'media' must be an object", _BAD_JSON)
    mxc = entry.get("mxc")
    if not isinstance(mxc, str):
        raise InvalidRequest(400, "'mxc' must be a string", _BAD_JSON)
    media = parse_mxc(mxc)
    if media is None:
        raise InvalidRequest(400, "'mxc' must look like mxc://serverName/mediaId", _INVALID_PARAM)
    download = entry.get("download", False)
    if not isinstance(download, bool):
        raise InvalidRequest(400, "'download' must be true or false", _BAD_JSON)
    thumbnail = None if entry.get("thumbnail") is None else parse_thumbnail(entry["thumbnail"])
    file_name = _parse_file_name(entry.get("filename")) if download else None
    return replace(media, thumbnail=thumbnail, download=download, file_name=file_name)


def _parse_file_name(name: object) -> str | None:
    """Parses the name to save a media with; ``None`` for the one that it was uploaded with.

    :raises InvalidRequest: 400 if it is no text, or longer than any file's.
    """
    if name is None or name == "":
        return None
    try:
        if isinstance(name, str) and len(name.encode()) <= MAX_FILE_NAME_BYTES:
            return name
    except UnicodeEncodeError:  # half of a surrogate pair
        pass
    raise InvalidRequest(400, f"'filename' must be a text of at most {MAX_FILE_NAME_BYTES} bytes", _INVALID_PARAM)
