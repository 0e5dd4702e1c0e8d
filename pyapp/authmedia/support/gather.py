"""Several things at once."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


async def together(*work: "Coroutine[Any, Any, Any]") -> "list[Any]":
    """Does several things at once; gives the result of each, once all have ended.

    Unlike ``asyncio.gather``, of which MicroPython's gives what fails second to nobody, where it looks unhandled.

    :raises BaseException: what failed, the first in their order.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return list(results)
