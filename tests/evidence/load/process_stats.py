"""Reads a process's memory and open files from Linux's /proc."""

import os
from pathlib import Path


def memory_bytes(process_id: int) -> int:
    """Returns the resident set size in bytes."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files(process_id: int) -> int:
    """Returns the number of open file descriptors."""
    return len(list(Path(f"/proc/{process_id}/fd").iterdir()))
