"""Formats counts and byte sizes for people."""


def pluralize(count: int, what: str) -> str:
    """Returns a count with its noun, in the singular or the plural."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def format_bytes(size: int) -> str:
    """Returns a size in bytes, kB or MB (decimal units)."""
    if size >= 1_000_000:
        return f"{size / 1_000_000:.1f} MB"
    if size >= 1000:
        return f"{size / 1000:.0f} kB"
    return f"{size} B"
