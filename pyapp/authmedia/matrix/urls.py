"""URLs as far as requests need them: `urllib` is missing on MicroPython."""

# https://www.rfc-editor.org/rfc/rfc3986#section-2.3
_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def origin_of(url: str) -> str:
    """Returns the scheme, host and port of an absolute URL."""
    scheme, _, rest = url.partition("://")
    return scheme + "://" + rest.split("/")[0].split("?")[0]


def percent_encode(text: str) -> str:
    """Encodes a text as one segment of a path, or one value of a query."""
    return "".join(chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
