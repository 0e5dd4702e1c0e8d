"""A moment of nothing, which a video or audio has as its source before its own media is requested."""

from authmedia.browser.blobs import Blob, bytes_blob
from authmedia.browser.dom import Element

# A tenth of a second of silence, as a WAVE file with 8000 samples of 8 bits a second.
_SAMPLES = 800
_SILENCE = (
    b"RIFF"
    + (36 + _SAMPLES).to_bytes(4, "little")
    + b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data"
    + _SAMPLES.to_bytes(4, "little")
    + b"\x80" * _SAMPLES
)
# A tenth of a second of black, 300 by 150 pixels as any video without a source, as a WebM file with one frame of VP8.
_BLACK = (
    b"\x1a\x45\xdf\xa3\x40\x12\x42\x82\x40\x04webm\x42\x87\x40\x01\x02\x42\x85\x40\x01\x02"  # the file's type
    b"\x18\x53\x80\x67\x40\xbe\x15\x49\xa9\x66\x40\x08\x44\x89\x40\x04\x42\xc8\0\0"  # its duration
    b"\x16\x54\xae\x6b\x40\x24\xae\x40\x21\xd7\x40\x01\x01\x73\xc5\x40\x01\x01\x83\x40\x01\x01\x86\x40\x05V_VP8"
    b"\xe0\x40\x09\xb0\x40\x02\x01\x2c\xba\x40\x01\x96"  # its only track
    b"\x1f\x43\xb6\x75\x40\x80\xe7\x40\x01\0\xa3\x40\x79\x81\0\0\x80"  # the frame
    b"\x50\x0c\0\x9d\x01\x2a\x2c\x01\x96\0\0\x47\x08\x85\x85\x88\x99\x84\x88\x42\x02\0\x06\x16\x04\xf7\x06\x81\x64\x9f\x6b"
    b"\xdb\x9b" + b"\x27\x38\x7b" * 24 + b"\x26\xc8\0\x05\0\0\xfe\xff\xab\x50\x80\0"
)
_BLACK_TYPE, _SILENCE_TYPE = "video/webm", "audio/wav"


def blank_media(element: Element) -> Blob:
    """Returns what a video or audio can play that has no media yet: a moment of black for a video, else of silence.

    With silence, Chromium 156 shows a video as an audio, and a click in its middle plays nothing. What has no VP8, such
    as Safari before 14.1, takes silence in a video, too.
    """
    is_video = element.tag == "video" and str(element.js.canPlayType(_BLACK_TYPE + '; codecs="vp8"'))
    return bytes_blob(_BLACK, _BLACK_TYPE) if is_video else bytes_blob(_SILENCE, _SILENCE_TYPE)
