"""Matrix content URIs. https://spec.matrix.org/latest/client-server-api/#matrix-content-mxc-uris"""

from authmedia.errors import MalformedMxc

_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_HOST_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."
_IPV6_CHARACTERS = "0123456789abcdefABCDEF:."


def parse_mxc(uri: str) -> tuple[str, str]:
    """Splits an ``mxc://`` URI into server name and media id.

    :raises MalformedMxc: if it is anything else; nothing is repaired.
    """
    if not isinstance(uri, str) or not uri.startswith("mxc://"):
        raise MalformedMxc("Not a Matrix content URI", mxc=_printable(uri))
    server_name, slash, media_id = uri[6:].partition("/")
    if not slash or not _is_server_name(server_name) or not _consists_of(media_id, _ID_CHARACTERS, 255):
        raise MalformedMxc("Malformed Matrix content URI", mxc=_printable(uri))
    return server_name, media_id


def _printable(uri: object) -> str:
    """Returns a value as one short line of ASCII: a hostile URI must not rearrange the text that quotes it."""
    text = uri if isinstance(uri, str) else str(type(uri))
    return "".join(character if " " <= character <= "~" else "?" for character in text[:120])


def _consists_of(text: str, characters: str, max_length: int) -> bool:
    return 0 < len(text) <= max_length and not text.strip(characters)


def _is_server_name(name: str) -> bool:
    """https://spec.matrix.org/latest/appendices/#server-name"""
    if name.startswith("["):
        host, bracket, rest = name[1:].partition("]")
        valid = bool(bracket) and len(host) > 1 and _consists_of(host, _IPV6_CHARACTERS, 45)
        port = rest[1:] if rest.startswith(":") else rest and "x"
        colon = ":" if rest else ""
    else:
        host, colon, port = name.partition(":")
        valid = _consists_of(host, _HOST_CHARACTERS, 255)
    return valid and (not colon or _consists_of(port, "0123456789", 5))
