"""Pictures and films as they are at their shortest, each of which says itself where it ends."""

import io
import struct
from typing import Any

from PIL import Image


def drawn(form: str, size: tuple[int, int] = (40, 30), **options: Any) -> bytes:
    pixels = bytes((x * y * 7 + c * 50) % 256 for y in range(size[1]) for x in range(size[0]) for c in range(3))
    written = io.BytesIO()
    Image.frombytes("RGB", size, pixels).save(written, form, **options)
    return written.getvalue()


def with_thumbnail() -> bytes:
    """A photograph with another one in its head, as cameras make them."""
    exif = b"Exif\x00\x00" + drawn("JPEG", (8, 8))
    photo = drawn("JPEG")
    return photo[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + photo[2:]


def webm(size: bytes) -> bytes:
    return b"\x1a\x45\xdf\xa3\x84head\x18\x53\x80\x67" + size + b"x" * 20


def boxes(*sizes: int) -> bytes:
    ftyp = struct.pack(">I4s8s", 16, b"ftyp", b"isom")
    large = struct.pack(">I4sQ", 1, b"mdat", 16 + 30) + b"x" * 30
    return ftyp + large + b"".join(struct.pack(">I4s", size, b"free") + b"x" * (size - 8) for size in sizes)


WHOLE = {
    "PNG": lambda: drawn("PNG"),
    "JPEG": lambda: drawn("JPEG"),
    "progressive JPEG": lambda: drawn("JPEG", progressive=True),
    "JPEG with a thumbnail": with_thumbnail,
    "GIF": lambda: drawn("GIF"),
    "WebP": lambda: drawn("WEBP"),
    "WebM": lambda: webm(b"\x94"),
    "boxes": boxes,
}
