"""File names that uploaders have chosen, made harmless."""

import re

# Path separators, control characters, and characters that change the direction of the text behind them, so that a name
# that looks like `exe.jpg` ends in `exe`.
_UNSAFE_CHARACTERS = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def safe_file_name(name: str | None) -> str | None:
    """Replaces the characters of a file name that could lead to another directory or disguise its type.

    :returns: ``None`` for a name that is empty or consists of dots.
    """
    safe_name = _UNSAFE_CHARACTERS.sub("_", name or "")
    return safe_name if safe_name.strip(".") else None
