"""An application's own rules for retries."""

from authmedia.errors import AuthMediaError
from authmedia.support import backoff
from authmedia.support.options import error_class, is_whole, reject_unknown, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

_OPTIONS = ("attempts", "errors", "first_delay_s", "max_delay_s")


class RetryPolicy:
    """Which failures a loader retries, how often and after which delay. Override `next_delay_s` for other rules.

    >>> loader = open_loader("auto", homeserver, retry=RetryPolicy(attempts=2, errors=("RateLimited",)))

    :param attempts: how often a request is tried in all; 1 for no retry. A media whose link or file was replaced is
        requested once more in any case.
    :param errors: the errors that are retried, as classes of `authmedia.errors` or their names; ``None`` for those
        that are ``temporary``.
    :param first_delay_s: the delay before the first retry in seconds, where the server names none. It doubles each
        time, and varies by half.
    :param max_delay_s: the longest delay in seconds; a longer ``Retry-After`` of the server is cut to it.
    :raises ValueError: if one is not allowed.
    """

    OPTION = "retry"
    __slots__ = ("_errors", "attempts", "first_delay_s", "max_delay_s")

    def __init__(
        self,
        *,
        attempts: int = backoff.MAX_ATTEMPTS,
        errors: "tuple[str | type[AuthMediaError], ...] | None" = None,
        first_delay_s: float = backoff.FIRST_DELAY_S,
        max_delay_s: float = backoff.MAX_DELAY_S,
        **unknown: "Never",
    ) -> None:
        reject_unknown("RetryPolicy", unknown, _OPTIONS)
        require(is_whole(attempts, 1), "RetryPolicy", "attempts", attempts, "a whole number, at least 1")
        for name, value in (("first_delay_s", first_delay_s), ("max_delay_s", max_delay_s)):
            allowed = isinstance(value, (int, float)) and value >= 0
            require(allowed, "RetryPolicy", name, value, "seconds, at least 0")
        listed = errors is None or isinstance(errors, (tuple, list))
        require(listed, "RetryPolicy", "errors", errors, "a tuple of errors or None")
        self.attempts = attempts
        self.first_delay_s = first_delay_s
        self.max_delay_s = max_delay_s
        self._errors = None if errors is None else tuple([error_class("RetryPolicy", name) for name in errors])

    def next_delay_s(self, error: AuthMediaError, failed: int) -> float | None:
        """Returns the seconds before the next attempt; ``None`` if there is to be none.

        :param error: how the last attempt failed.
        :param failed: how many attempts have failed, at least 1.
        """
        retried = error.temporary if self._errors is None else isinstance(error, self._errors)
        if failed >= self.attempts or not retried:
            return None
        return backoff.retry_delay_s(failed - 1, error.retry_after_s, self.first_delay_s, self.max_delay_s)
