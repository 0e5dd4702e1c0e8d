"""Files and folders that no other user of this machine can read: access tokens, passwords and keys are in them."""

import os
from pathlib import Path
from typing import Any

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
#: The file mode creation mask of a process all of whose files are private.
UMASK = 0o077


def make_private_folder(path: Path) -> None:
    """Creates a folder, and those missing above it, for its owner alone; an existing one is closed to all others.

    What stood in an existing folder may have been read before; it is not changed.

    :raises OSError: if it cannot be created or closed, as where it belongs to another user.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        # With these rights from its first moment: whatever opened it before `chmod` would keep it open.
        folder.mkdir(_FOLDER_MODE, exist_ok=True)
    if path.stat().st_mode & UMASK:
        path.chmod(_FOLDER_MODE)


def open_private(path: Path, *, text: bool = True) -> Any:
    """Opens a file for writing that only its owner can read; an existing one is emptied.

    :param text: whether it is written as UTF-8 rather than as bytes.
    """
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    os.fchmod(opened, _FILE_MODE)  # of one that existed
    return os.fdopen(opened, "w", encoding="utf-8") if text else os.fdopen(opened, "wb")


def write_private(path: Path, text: str) -> None:
    """Writes a whole file or none, whatever happens meanwhile, that only its owner can read."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)
