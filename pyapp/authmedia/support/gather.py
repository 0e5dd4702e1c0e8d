"""Concurrent coroutines, alike on CPython and MicroPython."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any


async def gather_all(*work: "Coroutine[Any, Any, Any]") -> "list[Any]":
    """Runs coroutines concurrently and returns their results, once all have ended.

    ``asyncio.gather`` of MicroPython drops every failure but the first, so that the others appear as unhandled.

    :raises BaseException: the first failure, in the order of the arguments.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return list(results)
