"""The media of the attic: one file of each odd kind, drawn here, or written byte by byte where there is no encoder."""

import io
import struct
import wave
from array import array
from math import sin

from PIL import Image, ImageDraw, ImageFont

_SIZE = (320, 200)
_ORIENTATION = 0x0112  # https://www.media.mit.edu/pia/Research/deepview/exif.html
_ROTATED_90 = 6


def card(title: str, size: tuple[int, int] = _SIZE, hue: int = 150) -> Image.Image:
    """Draws a picture that says what it is, with a mark in its upper left corner."""
    image = Image.new("HSV", size, (hue, 90, 235)).convert("RGB")
    pen = ImageDraw.Draw(image)
    wide, high = size
    pen.polygon(
        [(0, high), (wide * 0.35, high * 0.45), (wide * 0.6, high * 0.8), (wide, high * 0.3), (wide, high)], "#2d4f4a"
    )
    pen.rectangle((0, 0, 24, 24), "#b8342a")
    pen.text((34, 12), title, "#101514", ImageFont.load_default(22))
    return image


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """Returns a picture as a file of one of Pillow's kinds."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def rotated_jpeg() -> bytes:
    """Returns a JPEG that is stored on its side, 320 by 200, and shown upright by its EXIF orientation, 200 by 320."""
    exif = Image.Exif()
    exif[_ORIENTATION] = _ROTATED_90
    upright = card("Upright", (200, 320), 20)
    return encoded(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=85)


def animation(kind: str) -> bytes:
    """Returns an animated GIF, WebP or PNG of eight frames."""
    frames = []
    for step in range(8):
        frame = card(f"{kind}, it moves", hue=90)
        ImageDraw.Draw(frame).ellipse((20 + step * 34, 130, 60 + step * 34, 170), "#ffd23f")
        frames.append(frame.quantize(64) if kind == "GIF" else frame)
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=120, loop=0)


def emoji(number: int) -> bytes:
    """Returns one of two round custom emoji, a PNG of 64 pixels a side."""
    image = Image.new("RGBA", (64, 64))
    pen = ImageDraw.Draw(image)
    pen.ellipse((2, 2, 61, 61), ("#ffd23f", "#7bd389")[number])
    pen.ellipse((18, 20, 26, 30), "#101514")
    pen.ellipse((38, 20, 46, 30), "#101514")
    pen.arc((16, 22, 48, 50), 20, 160, "#101514", 4)
    return encoded(image, "PNG")


def sticker() -> bytes:
    """Returns a sticker with a transparent background."""
    image = Image.new("RGBA", (256, 256))
    pen = ImageDraw.Draw(image)
    pen.polygon([(128, 12), (244, 236), (12, 236)], "#3d62a8", "#ffffff", 8)
    pen.text((78, 150), "Sticker", "#ffffff", ImageFont.load_default(28))
    return encoded(image, "PNG")


def svg(script: str = "") -> bytes:
    """Returns an SVG document.

    :param script: of a hostile one.
    """
    inside = f"<script>{script}</script>" if script else ""
    title = "SVG with a script" if script else "SVG"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 200" width="320" height="200">'
        '<rect width="320" height="200" fill="#cfe3ff"/><circle cx="250" cy="60" r="34" fill="#ffd23f"/>'
        '<path d="M0 200 110 90 190 160 320 60V200Z" fill="#2d4f4a"/>'
        f'<text x="16" y="36" font-family="sans-serif" font-size="22" fill="#101514">{title}</text>{inside}</svg>'
    ).encode()


def tone() -> bytes:
    """Returns a second of sound as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        fade = [min(1.0, (8000 - step) / 4000) for step in range(8000)]
        out.writeframes(array("h", [int(9000 * fade[step] * sin(step * 0.35)) for step in range(8000)]).tobytes())
    return file.getvalue()


def heic() -> bytes:
    """Returns the beginning of a HEIC file: there is no free encoder, and most browsers read no further.

    https://www.iso.org/standard/83650.html (ISO/IEC 23008-12), boxes of ISO/IEC 14496-12
    """
    brands = b"heic" + struct.pack(">I", 0) + b"mif1heic"
    return _box(b"ftyp", brands) + _box(b"meta", bytes(4)) + _box(b"mdat", bytes(600))


def jpeg_xl() -> bytes:
    """Returns the beginning of a JPEG XL file (ISO/IEC 18181-2)."""
    return (
        _box(b"JXL ", b"\r\n\x87\n")
        + _box(b"ftyp", b"jxl " + bytes(4) + b"jxl ")
        + _box(b"jxlc", b"\xff\x0a" + bytes(600))
    )


def matroska() -> bytes:
    """Returns the beginning of a Matroska file: an EBML header of the type ``matroska``, and an empty segment.

    https://www.rfc-editor.org/rfc/rfc9559
    """
    header = b"\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x88matroska"
    header += b"\x42\x87\x81\x04\x42\x85\x81\x02"
    return b"\x1a\x45\xdf\xa3" + bytes([0x80 | len(header)]) + header + b"\x18\x53\x80\x67\x80" + bytes(64)


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content
