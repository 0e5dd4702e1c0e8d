"""Takes links and signed queries out of the addresses that are logged, however they are spelt.

A signed address opens its media for everyone who reads it in a log. Synapse logs the address of each request, also of
one that it does not serve because a proxy or a person has changed its spelling; the address as it should have been is
then still in there. So the decision is made on the decoded path, and nothing behind the media id is logged.
"""

import re
import unicodedata
from urllib.parse import unquote

from .signing import PREFIX

REDACTED = "<redacted>"

# How often an address may be percent-encoded over and over, before it stays out of the log unread.
_MAX_ENCODINGS = 8
_KINDS = ("signed", "query")
# Parameters that open a media, on whatever path they stand.
_SECRET_PARAMETERS = ("sig=", "token_id=")
_SEPARATOR = re.compile(r"[/\\]")
# What server names and media ids are made of. A parameter needs at least its `=`, and so never fits.
_NOT_OF_A_SERVER_NAME = re.compile(r"[^A-Za-z0-9.:\[\]-]")
_NOT_OF_A_MEDIA_ID = re.compile(r"[^A-Za-z0-9_-]")
_NOT_OF_A_PLAIN_PATH = re.compile(r"[^A-Za-z0-9._~:/-]")


def redact(uri: str) -> str:
    """Returns an address as it may be logged.

    :param uri: path and query as the client sent them.
    """
    decoded = _decode(uri)
    if decoded is None:
        return REDACTED
    names = _names_of_media(decoded)
    if names:
        kind, server_name, media_id, is_whole = names
        return f"{PREFIX}/{kind}/{server_name}/{media_id}" + ("" if is_whole else f"?{REDACTED}")
    if any(parameter in decoded.lower() for parameter in _SECRET_PARAMETERS):
        return f"{_NOT_OF_A_PLAIN_PATH.split(uri, maxsplit=1)[0]}?{REDACTED}"
    return uri


def _decode(uri: str) -> str | None:
    """Decodes an address until nothing is left to decode, compatible forms of characters included.

    :returns: ``None`` if it is encoded too often.
    """
    for _ in range(_MAX_ENCODINGS):
        decoded = unicodedata.normalize("NFKC", unquote(uri) if "%" in uri else uri)
        if decoded == uri:
            return uri
        uri = decoded
    return None


def _names_of_media(decoded: str) -> tuple[str, str, str, bool] | None:
    """Kind, server name and media id of an address that opens media, and whether it ends there."""
    parts = [part for part in _SEPARATOR.split(decoded) if part not in ("", ".")]
    for number in range(len(parts) - 1):
        kind = parts[number + 1].lower()
        if parts[number].lower() == "media" and kind in _KINDS:
            server_name, media_id, *rest = [*parts[number + 2 : number + 5], "", ""][:3]
            cut = _NOT_OF_A_SERVER_NAME.split(server_name, maxsplit=1)[0]
            if cut != server_name:
                return kind, cut, "", False
            cut = _NOT_OF_A_MEDIA_ID.split(media_id, maxsplit=1)[0]
            return kind, server_name, cut, cut == media_id and not any(rest)
    return None
