"""The images that a browser has embedded in a PDF.

https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf, 8.9.5 "Image Dictionaries"
"""

import io
import re
import zlib

from PIL import Image

_STREAM = re.compile(rb"\bobj\b(.*?)\bstream\r?\n", re.DOTALL)
_SIZE = re.compile(rb"/(Width|Height)\s+(\d+)")
_CHANNELS = 3


def printed_images(pdf: bytes) -> list[Image.Image]:
    """Returns the images of three channels, which no mask has, in the order of the file."""
    streams = [(match[1].rpartition(b"obj")[2], pdf[match.end() :]) for match in _STREAM.finditer(pdf)]
    decoded = [_decode(head, stream) for head, stream in streams if re.search(rb"/Subtype\s*/Image\b", head)]
    return [image for image in decoded if image]


def _decode(head: bytes, stream: bytes) -> Image.Image | None:
    if b"/DCTDecode" in head:
        return Image.open(io.BytesIO(stream)).convert("RGB")
    size = {name: int(number) for name, number in _SIZE.findall(head)}
    data = zlib.decompressobj().decompress(stream)
    if len(data) != size[b"Width"] * size[b"Height"] * _CHANNELS:
        return None
    return Image.frombytes("RGB", (size[b"Width"], size[b"Height"]), data)
