"""Range requests for a file of ``SIZE`` bytes, for all endpoints that answer them."""

SIZE = 300_000

# A header, and the slice of the file that it selects.
RANGES = [
    ("bytes=0-0", 0, 1),
    ("bytes=0-1", 0, 2),
    ("bytes=0-65535", 0, 65536),
    ("bytes=1000-199999", 1000, 200_000),
    ("bytes=299999-299999", SIZE - 1, SIZE),
    ("bytes=150000-", 150_000, SIZE),
    ("bytes=0-", 0, SIZE),
    ("bytes=10-9999999", 10, SIZE),
    ("bytes=-1", SIZE - 1, SIZE),
    ("bytes=-100000", SIZE - 100_000, SIZE),
    ("bytes=-9999999", 0, SIZE),
    (f"bytes=0-{SIZE - 1}", 0, SIZE),
    ("Bytes=0-4", 0, 5),
]
UNSATISFIABLE_RANGES = [f"bytes={SIZE}-", "bytes=9999999-99999999", "bytes=-0"]
# Several ranges and malformed ones, which select the whole file.
IGNORED_RANGES: list[str | bytes] = [
    "bytes=0-1,5-6",
    "bytes=5-2",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "bytes=1",
    "bytes=--1",
    "bytes=0-1;",
    "items=0-1",
    "0-1",
    "",
    "bytes=0x0-0x1",
    "bytes=\N{ARABIC-INDIC DIGIT ZERO}-".encode(),
    b"bytes=\xff-\xfe",
]
