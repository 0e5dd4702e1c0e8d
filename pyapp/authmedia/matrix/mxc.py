"""Matrix content URIs. https://spec.matrix.org/latest/client-server-api/#matrix-content-mxc-uris"""

from authmedia.errors import MalformedMxc

_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_HOST_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."
_HEX_DIGITS = "0123456789abcdefABCDEF"
_DIGITS = "0123456789"
# The longest DNS name, and the longest IPv6 literal of a server name.
_MAX_HOST_LENGTH, _MAX_IPV6_LENGTH = 255, 45


def parse_mxc(uri: str) -> tuple[str, str]:
    """Splits an ``mxc://`` URI into server name and media id.

    What some clients add to it is ignored: surrounding space, a query, a fragment such as ``#auto``, capitals in the
    scheme. The console says so once.

    :raises MalformedMxc: if it is anything else.
    """
    try:
        return _parse_strictly(uri)
    except MalformedMxc:
        from authmedia.matrix.mxc_normalization import normalize_mxc  # few clients write such URIs

        normalized = normalize_mxc(uri)
        if normalized == uri:
            raise
    return _parse_strictly(normalized)


def _parse_strictly(uri: str) -> tuple[str, str]:
    """Splits a URI of exactly ``mxc://server/id``.

    :raises MalformedMxc: if it is anything else.
    """
    if not isinstance(uri, str) or not uri.startswith("mxc://"):
        raise MalformedMxc("Not a Matrix content URI", mxc=printable(uri))
    server_name, slash, media_id = uri[6:].partition("/")
    if not slash or not _is_server_name(server_name) or not _consists_of(media_id, _ID_CHARACTERS, 255):
        raise MalformedMxc("Malformed Matrix content URI", mxc=printable(uri))
    return server_name, media_id


def printable(uri: object) -> str:
    """Returns a value as one short line of ASCII: a hostile text must not rearrange the text that quotes it."""
    text = uri if isinstance(uri, str) else str(type(uri))
    return "".join(character if " " <= character <= "~" else "?" for character in text[:120])


def _consists_of(text: str, characters: str, max_length: int) -> bool:
    return 0 < len(text) <= max_length and not text.strip(characters)


def _is_server_name(name: str) -> bool:
    """Returns whether a server name is a host, or an IPv6 address in brackets, with or without a port.

    Every label of a host, between its dots, is non-empty: in the path of a URL, ``..`` would lead somewhere else.
    https://spec.matrix.org/latest/appendices/#server-name
    """
    if name.startswith("["):
        host, bracket, rest = name[1:].partition("]")
        if not bracket or not _is_ipv6(host):
            return False
        empty, colon, port = rest.partition(":")
        good = not empty
    else:
        host, colon, port = name.partition(":")
        good = _consists_of(host, _HOST_CHARACTERS, _MAX_HOST_LENGTH) and "" not in host.split(".")
    return good and (not colon or _consists_of(port, _DIGITS, 5))


def _is_ipv6(text: str) -> bool:
    """Returns whether a text is an IPv6 address; Synapse refuses others only after it has begun to look for the media.

    https://www.rfc-editor.org/rfc/rfc4291#section-2.2
    """
    head, compressed, tail = text.partition("::")
    groups = (head.split(":") if head else []) + (tail.split(":") if tail else [])
    count = len(groups)
    if groups and "." in groups[-1] and text.endswith(groups[-1]):  # the last 32 bits, as IPv4 writes them
        if not _is_ipv4(groups.pop()):
            return False
        count += 1
    complete = count <= 7 if compressed else count == 8
    hexadecimal = all(_consists_of(group, _HEX_DIGITS, 4) for group in groups)
    return complete and hexadecimal and len(text) <= _MAX_IPV6_LENGTH


def _is_ipv4(text: str) -> bool:
    """Returns whether a text is an IPv4 address of four decimal numbers without leading zeros."""
    octets = text.split(".")
    return len(octets) == 4 and all(
        _consists_of(octet, _DIGITS, 3) and int(octet) < 256 and str(int(octet)) == octet for octet in octets
    )
