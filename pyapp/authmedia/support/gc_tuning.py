"""How often Python looks for garbage: seldom enough that it does other things, too.

MicroPython does so whenever it has used 16 kB more, and goes through all that lives each time, so that every media
would take longer the more of them there are. CPython reckons with that by itself.
"""

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Until there are so many it stays as it is; from then on, so much of what lives may be used anew before it is looked
# through.
_MANY = 256
_PART = 0.25


def grow_with(count: int) -> None:
    """Lets more be used between two looks, where more lives by now.

    https://docs.micropython.org/en/latest/library/gc.html#gc.threshold

    :param count: how many there are of what there are most of; it is reckoned anew each time that this has doubled.
    """
    collector: Any = gc
    doubled = count >= _MANY and count & (count - 1) == 0
    if doubled and hasattr(collector, "threshold"):
        collector.threshold(int(collector.mem_alloc() * _PART))
