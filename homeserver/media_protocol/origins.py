"""Origins and base URLs in configurations and redirects. https://www.rfc-editor.org/rfc/rfc6454#section-4"""

import re
from urllib.parse import SplitResult, urlsplit

from .signing import is_server_name

# A path that needs no escaping and has no dot segments.
_PATH = re.compile(r"(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)*")


def parse_origin(url: str) -> str | None:
    """Returns scheme, host and port of a URL; ``None`` if it has any other component."""
    parts = _split(url)
    return f"{parts.scheme}://{parts.netloc}" if parts and not parts.path.strip("/") else None


def parse_base_url(url: str) -> str | None:
    """Returns scheme, host, port and path of a URL, without a slash at its end; ``None`` if it has anything else."""
    parts = _split(url)
    path = parts.path.rstrip("/") if parts else ""
    return f"{parts.scheme}://{parts.netloc}{path}" if parts and _PATH.fullmatch(path) else None


def _split(url: str) -> SplitResult | None:
    """Returns the parts of an http or https URL of scheme, host, port and path."""
    try:
        parts = urlsplit(url)
        port = parts.port  # raises the error of a port that is out of range
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or port == 0 or not is_server_name(parts.netloc):
        return None
    return None if parts.query or parts.fragment else parts
