"""The access token of one session: the current one, when it ends, and what to do when the homeserver refuses it."""

from authmedia import browser
from authmedia.errors import AuthMediaError, TokenRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Protocol

    from authmedia.matrix.tokens import Tokens

    class Renewal(Protocol):
        """The interface of `TokenRenewal`."""

        async def ahead(self) -> None:
            """See `TokenRenewal.ahead`."""
            ...

        async def after(self, refusal: TokenRefused, renewed: bool) -> None:
            """See `TokenRenewal.after`."""
            ...

        def end(self, failure: AuthMediaError) -> None:
            """See `TokenRenewal.end`."""
            ...

        def release(self) -> None:
            """See `TokenRenewal.release`."""
            ...


# A token is renewed when less than this is left of its life, so that no request arrives with one that has just ended.
_MARGIN_MS = 30_000.0
# For a token with a short life, a fifth of it.
_MARGIN_PART = 0.2


class Credentials:
    """The access token of one session, replaced when it ends.

    A session whose token never ends costs nothing: what renews a token is opened when one is refused or about to end.

    :param base_url: the homeserver's base URL.
    :param open_renewal: creates what renews the token.
    :param refresh: returns new tokens; ``None`` if the session has no other token.
    :param on_session_failure: called once when the session has ended, or its account is locked.
    """

    __slots__ = (
        "_open_renewal",
        "_renew_at_ms",
        "_renewal",
        "base_url",
        "expires_at_ms",
        "failure",
        "generation",
        "on_session_failure",
        "refresh",
        "token",
    )

    def __init__(
        self,
        base_url: str,
        open_renewal: "Callable[[Credentials], Renewal]",
        refresh: "Callable[[], Awaitable[Tokens | str | None]] | None",
        on_session_failure: "Callable[[AuthMediaError], None] | None",
    ) -> None:
        self.base_url = base_url
        self.refresh = refresh
        self.on_session_failure = on_session_failure
        self.token = ""
        #: Counts the tokens so far: whatever is derived from a token is derived anew when this changes.
        self.generation = 0
        #: When the token ends, on the clock of `browser.epoch_ms`; ``None`` if that is unknown.
        self.expires_at_ms: float | None = None
        #: Why no token is left to send requests with.
        self.failure: AuthMediaError | None = None
        self._renew_at_ms: float | None = None
        self._open_renewal = open_renewal
        self._renewal: Renewal | None = None

    def set(self, token: str, expires_in_ms: float | None) -> None:
        """Replaces the token; what waits for a renewal goes on with this one."""
        self.token = token
        self.generation += 1
        self.failure = None
        self.expires_at_ms = self._renew_at_ms = None
        if expires_in_ms is not None:
            self.expires_at_ms = browser.epoch_ms() + expires_in_ms
            self.renew_at(self.expires_at_ms - min(_MARGIN_MS, _MARGIN_PART * expires_in_ms))
        if self._renewal:
            self._renewal.release()

    def renew_at(self, time_ms: float | None) -> None:
        """Renews the token before the first request after this time; ``None`` waits until it is refused."""
        self._renew_at_ms = time_ms if self.refresh else None

    @property
    def is_due(self) -> bool:
        """Whether the token is to be renewed before the next request."""
        return self._renew_at_ms is not None and browser.epoch_ms() >= self._renew_at_ms

    async def current(self) -> str:
        """Returns the token for a request, renewed first if it is about to end.

        :raises AuthMediaError: if the session has ended, or has no valid token at the moment.
        """
        if self.failure or self.is_due:
            await self._get_renewal().ahead()
        return self.token

    async def after(self, refused: str, refusal: TokenRefused, renewed: bool) -> bool:
        """Provides another token for a request that was refused; returns whether it was renewed for this request.

        :param refused: the token of the request.
        :param refusal: what the homeserver said.
        :param renewed: whether it was renewed for this request before.
        :raises AuthMediaError: if there is none. `SessionExpired` only if ``/whoami`` says so.
        """
        if self.token != refused:
            return renewed
        await self._get_renewal().after(refusal, renewed)
        return True

    def end(self, failure: AuthMediaError) -> None:
        """Makes all requests fail at once with this error, until a token is set."""
        self._get_renewal().end(failure)

    def _get_renewal(self) -> "Renewal":
        self._renewal = self._renewal or self._open_renewal(self)
        return self._renewal
