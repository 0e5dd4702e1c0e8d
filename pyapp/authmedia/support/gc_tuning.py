"""Tunes MicroPython's garbage collector to the size of its heap.

MicroPython collects after each 16 kB of allocations and marks all that is alive, so that every media would cost more
the more of them there are. CPython accounts for that by itself.
"""

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The threshold stays as it is for fewer objects than these; then it is this part of the allocated memory.
_MIN_COUNT = 256
_THRESHOLD_PART = 0.25


def scale_threshold(count: int) -> None:
    """Raises the collector's threshold as the number of objects grows.

    https://docs.micropython.org/en/latest/library/gc.html#gc.threshold

    :param count: how many there are of the most numerous objects; the threshold is adapted at each power of two.
    """
    collector: Any = gc
    is_power_of_two = count >= _MIN_COUNT and count & (count - 1) == 0
    if is_power_of_two and hasattr(collector, "threshold"):
        collector.threshold(int(collector.mem_alloc() * _THRESHOLD_PART))
