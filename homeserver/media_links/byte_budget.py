"""Limits how many bytes of media a session receives by URLs that need no access token."""

from synapse.api.errors import LimitExceededError
from synapse.util.clock import Clock

from media_protocol import limits

from .sessions import Session


class ByteBudget:
    """The budget of bytes of each session, on Synapse's clock.

    :param bytes_per_hour: how much a session may receive at once, and how much of that drains in an hour; 0 for no
        limit.
    """

    def __init__(self, clock: Clock, bytes_per_hour: int) -> None:
        self._budget = limits.ByteBudget(clock.time_msec, bytes_per_hour)

    def spend(self, session: Session, size: int) -> None:
        """Counts bytes that are about to be sent.

        :raises LimitExceededError: 429 with ``Retry-After`` if the session's budget is spent.
        """
        try:
            self._budget.spend(session, size)
        except limits.LimitReached as error:
            raise LimitExceededError("media_links_bytes", retry_after_ms=error.retry_after_ms) from None

    def refund(self, session: Session, size: int) -> None:
        """Discounts bytes that were counted and not sent."""
        self._budget.refund(session, size)
