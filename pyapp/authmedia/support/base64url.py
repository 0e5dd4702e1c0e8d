"""Bytes as text that can stand in a name or an address. https://www.rfc-editor.org/rfc/rfc4648#section-5"""

import binascii


def base64url(content: bytes) -> str:
    """Base64 with the alphabet for URLs, without padding."""
    encoded = binascii.b2a_base64(content).decode().strip()
    return encoded.replace("+", "-").replace("/", "_").replace("=", "")
