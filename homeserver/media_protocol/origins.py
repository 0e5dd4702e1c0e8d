"""Origins in configurations and redirects. https://www.rfc-editor.org/rfc/rfc6454#section-4"""

from urllib.parse import urlsplit

from .signing import is_server_name


def parse_origin(url: str) -> str | None:
    """Returns scheme, host and port of a URL; ``None`` if it has any other component."""
    try:
        parts = urlsplit(url)
        port = parts.port  # raises the error of a port that is out of range
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or port == 0 or not is_server_name(parts.netloc):
        return None
    if parts.path.strip("/") or parts.query or parts.fragment:
        return None
    return f"{parts.scheme}://{parts.netloc}"
