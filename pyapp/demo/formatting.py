"""Numbers as people write them."""


def counted(count: int, what: str) -> str:
    """So many of something, in the singular or the plural."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def readable_bytes(size: int) -> str:
    """A size as people write it."""
    if size >= 1_000_000:
        return f"{size / 1_000_000:.1f} MB"
    if size >= 1000:
        return f"{size / 1000:.0f} kB"
    return f"{size} B"
