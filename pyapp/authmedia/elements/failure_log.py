"""Writes failures to the console for developers: the first one of each class, since a room may have hundreds."""

from authmedia.errors import AuthMediaError

_written: "set[str]" = set()


def log_failure(error: AuthMediaError) -> None:
    """Writes an error with its advice to the console, unless one of its class was written before."""
    name = type(error).__name__
    if name not in _written:
        _written.add(name)
        print(f"authmedia: {name}: {error} (Other failures of this kind are shown in the page alone.)")
