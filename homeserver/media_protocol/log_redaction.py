"""Redacts signed links and signed queries in request URIs, so that no log contains a URI that opens a media.

Synapse logs the URI of each request, also of one that it does not serve because a proxy or a person has altered its
spelling. The original URI can be recovered from such a one. So the decision is made on the decoded path, and nothing
behind the media id is logged.
"""

import re
import unicodedata
from urllib.parse import unquote

from .signing import PREFIX

REDACTED = "<redacted>"

# A URI that is percent-encoded more often than this is redacted as a whole.
_MAX_ENCODINGS = 8
_SECRET_ENDPOINTS = ("signed", "query")
# The endpoints whose queries grant nothing.
_OTHER_ENDPOINTS = ("links", "link", "key", "config", "bundle", "cookie")
_NAMESPACE = PREFIX.split("/")[-2]
# Parameters that are secret on any path.
_SECRET_PARAMETERS = ("sig=", "token_id=")
_SEPARATOR = re.compile(r"[/\\]")
# The complements of what server names and media ids consist of. A parameter contains `=`, so neither contains one.
_NON_SERVER_NAME_CHARACTER = re.compile(r"[^A-Za-z0-9.:\[\]-]")
_NON_MEDIA_ID_CHARACTER = re.compile(r"[^A-Za-z0-9_-]")
_NON_PATH_CHARACTER = re.compile(r"[^A-Za-z0-9._~:/-]")


def redact(uri: str) -> str:
    """Returns a URI as it may be logged.

    :param uri: path and query as the client has sent them.
    """
    decoded = _decode(uri)
    if decoded is None:
        return REDACTED
    media_path = _parse_media_path(decoded)
    if media_path:
        endpoint, server_name, media_id, is_complete = media_path
        return f"{PREFIX}/{endpoint}/{server_name}/{media_id}" + ("" if is_complete else f"?{REDACTED}")
    if _has_unknown_endpoint(decoded) or any(parameter in decoded.lower() for parameter in _SECRET_PARAMETERS):
        return f"{_NON_PATH_CHARACTER.split(uri, maxsplit=1)[0]}?{REDACTED}"
    return uri


def _decode(uri: str) -> str | None:
    """Removes percent-encoding until none is left, and replaces compatibility characters (Unicode's NFKC).

    :returns: ``None`` for a URI that is encoded more than ``_MAX_ENCODINGS`` times.
    """
    for _ in range(_MAX_ENCODINGS):
        decoded = unicodedata.normalize("NFKC", unquote(uri) if "%" in uri else uri)
        if decoded == uri:
            return uri
        uri = decoded
    return None


def _has_unknown_endpoint(decoded: str) -> bool:
    """Returns whether a URI is below the module's prefix, and names no endpoint: it may be a link altered twice."""
    segments = [segment for segment in _SEPARATOR.split(decoded.partition("?")[0].lower()) if segment]
    if _NAMESPACE not in segments:
        return False
    position = segments.index(_NAMESPACE) + 2  # behind `media`
    return position >= len(segments) or segments[position] not in _OTHER_ENDPOINTS


def _parse_media_path(decoded: str) -> tuple[str, str, str, bool] | None:
    """Returns endpoint, server name and media id of a URI that opens a media, and whether nothing follows them."""
    segments = [segment for segment in _SEPARATOR.split(decoded) if segment not in ("", ".")]
    for index in range(len(segments) - 1):
        endpoint = segments[index + 1].lower()
        if segments[index].lower() == "media" and endpoint in _SECRET_ENDPOINTS:
            server_name, media_id, *rest = [*segments[index + 2 : index + 5], "", ""][:3]
            valid_part = _NON_SERVER_NAME_CHARACTER.split(server_name, maxsplit=1)[0]
            if valid_part != server_name:
                return endpoint, valid_part, "", False
            valid_part = _NON_MEDIA_ID_CHARACTER.split(media_id, maxsplit=1)[0]
            return endpoint, server_name, valid_part, valid_part == media_id and not any(rest)
    return None
