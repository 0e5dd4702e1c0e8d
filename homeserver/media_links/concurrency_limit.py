"""Limits how many requests of one kind a process answers at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from synapse.api.errors import LimitExceededError

from media_protocol import limits


class ConcurrencyLimit:
    """Counts requests in flight, per user and in total.

    :param name: of the limit, in Synapse's log.
    :param per_user: how many requests of one user are answered at a time.
    :param total: how many requests of all users are answered at a time.
    """

    def __init__(self, name: str, per_user: int, total: int) -> None:
        self._name = name
        self._limit = limits.ConcurrencyLimit(per_user, total)

    @contextmanager
    def admit(self, user_id: str) -> Iterator[None]:
        """Counts one request as in flight for the duration of a ``with`` block.

        :raises LimitExceededError: 429 with ``retry_after_ms`` if too many requests are in flight.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(self._limit.admit(user_id))
            except limits.LimitReached as error:
                raise LimitExceededError(self._name, retry_after_ms=error.retry_after_ms) from None
            yield
