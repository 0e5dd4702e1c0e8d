"""Pads an MP4 to any size without an encoder, for a large video to seek in.

An MP4's index holds the offset of each chunk of samples, and bytes between chunks are ignored (ISO/IEC 14496-12). So
each sample becomes its own chunk, and padding is inserted between them.
"""

import struct
from collections.abc import Iterator

_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_HEADER = 8


def pad_mp4(film: bytes, size: int) -> bytes:
    """Returns the video padded to about ``size`` bytes.

    :param film: an MP4 with one track and its index in front, as written by ``-movflags +faststart``.
    """
    tables = dict(_tables(film, 0, len(film)))
    samples = _samples(film, tables)
    front = min(start for start, _ in samples) - _HEADER  # all before the box of samples
    index = len(_index(film[:front], [0] * len(samples)))
    gap = (size - index - sum(length for _, length in samples)) // len(samples)
    offsets, at = [], index + _HEADER
    for _, length in samples:
        offsets.append(at)
        at += length + gap
    pieces = [film[start : start + length] + bytes(gap) for start, length in samples]
    return _index(film[:front], offsets) + _box(b"mdat", b"".join(pieces))


def _boxes(film: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields type, start and end of each box; boxes with 64-bit sizes are not supported."""
    while start < end:
        length, kind = struct.unpack_from(">I4s", film, start)
        assert _HEADER <= length <= end - start, kind
        yield kind, start, start + length
        start += length


def _tables(film: bytes, start: int, end: int) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    """Yields the entries of the sample tables (``stco``, ``stsc``, ``stsz``), without version and flags."""
    for kind, at, after in _boxes(film, start, end):
        if kind in _CONTAINERS:
            yield from _tables(film, at + _HEADER, after)
        elif kind in (b"stco", b"stsc", b"stsz"):
            count = (after - at - _HEADER - 4) // 4
            yield kind, struct.unpack_from(f">{count}I", film, at + _HEADER + 4)


def _samples(film: bytes, tables: dict[bytes, tuple[int, ...]]) -> list[tuple[int, int]]:
    """Returns offset and length of each sample."""
    sizes, chunks = list(tables[b"stsz"][2:]), tables[b"stco"][1:]
    runs = [tables[b"stsc"][1 + 3 * number : 4 + 3 * number] for number in range(tables[b"stsc"][0])]
    samples = []
    for number, offset in enumerate(chunks, 1):
        (count,) = [run[1] for run in runs if run[0] <= number][-1:]
        for _ in range(count):
            samples.append((offset, length := sizes.pop(0)))
            offset += length
    return samples


def _index(front: bytes, offsets: list[int]) -> bytes:
    """Rebuilds the boxes before the samples for chunks of one sample each."""
    return b"".join(_rebuilt(front, kind, start, end, offsets) for kind, start, end in _boxes(front, 0, len(front)))


def _rebuilt(film: bytes, kind: bytes, start: int, end: int, offsets: list[int]) -> bytes:
    if kind in _CONTAINERS:
        inner = _boxes(film, start + _HEADER, end)
        return _box(kind, b"".join(_rebuilt(film, *box, offsets) for box in inner))
    if kind == b"stsc":
        return _box(kind, struct.pack(">5I", 0, 1, 1, 1, 1))
    if kind == b"stco":
        return _box(kind, struct.pack(f">2I{len(offsets)}I", 0, len(offsets), *offsets))
    return film[start:end]


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + _HEADER, kind) + content
