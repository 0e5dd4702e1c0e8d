"""Base64 with the alphabet for URLs and file names. https://www.rfc-editor.org/rfc/rfc4648#section-5"""

import binascii


def base64url(content: bytes) -> str:
    """Encodes bytes as base64url, without padding."""
    encoded = binascii.b2a_base64(content).decode().strip()
    return encoded.replace("+", "-").replace("/", "_").replace("=", "")
