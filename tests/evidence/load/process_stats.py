"""What a process has of this machine, as Linux tells it."""

import os
from pathlib import Path


def memory_bytes(process_id: int) -> int:
    """What it has in memory (RSS)."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files(process_id: int) -> int:
    """How many files and connections it has open."""
    return len(list(Path(f"/proc/{process_id}/fd").iterdir()))
