"""Renews an access token, once for all requests that wait for it, and finds out whether a session has ended.

https://spec.matrix.org/latest/client-server-api/#refreshing-access-tokens
"""

import asyncio

from authmedia import browser
from authmedia.errors import (
    AuthMediaError,
    ProxyRefused,
    RenewalFailed,
    SessionExpired,
    SoftLoggedOut,
    TokenRefused,
    UserDeactivated,
    UserLocked,
)
from authmedia.matrix.credentials import Credentials
from authmedia.matrix.http import bearer_headers, request_url
from authmedia.support import backoff

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from authmedia.matrix.tokens import Tokens

_WHOAMI = "/_matrix/client/v3/account/whoami"
_REFRESH_TIMEOUT_S = 60.0
# For so long a token that `/whoami` accepted is not renewed because another endpoint refuses it.
_VERDICT_MS = 60_000.0
# After so long, a request tries whether an account is still locked.
_LOCKED_MS = 30_000.0
# After this many failures the delay between two renewals grows no more: it is about ten seconds then.
_MAX_DOUBLINGS = 5


class TokenRenewal:
    """Renews the token of one session. All requests that need another token wait for the same renewal.

    A renewal goes on when the requests that wait for it are cancelled: it may have spent a refresh token by then.
    """

    __slots__ = (
        "_credentials",
        "_failures",
        "_flight",
        "_not_before_ms",
        "_refused",
        "_reported",
        "_retry_ms",
        "_valid",
    )

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._flight: _Flight | None = None
        # How often it failed in a row, and when it may be tried again.
        self._failures, self._not_before_ms = 0, 0.0
        # The generation of the last token that a request was refused with.
        self._refused = 0
        # The generation of the last token that `/whoami` accepted, and until when that counts.
        self._valid = (0, 0.0)
        # When a request is to try whether a failure is over that may end by itself.
        self._retry_ms: float | None = None
        # The generation of the token whose failure was reported to the application.
        self._reported = 0

    async def ahead(self) -> None:
        """Renews the token before a request.

        :raises AuthMediaError: if there is no valid token.
        """
        credentials = self._credentials
        if self._retry_ms is not None and browser.epoch_ms() >= self._retry_ms:
            credentials.failure = self._retry_ms = None
        self._raise_failure()
        generation = credentials.generation
        if not credentials.is_due:
            return
        failure = await self._join(self._renew)
        self._raise_failure()
        if failure and credentials.generation == generation and (self._has_expired() or self._refused == generation):
            raise failure.for_media("")

    async def after(self, refusal: TokenRefused, renewed: bool) -> None:
        """Renews the token after the homeserver refused a request; see `Credentials.after`."""
        credentials = self._credentials
        generation = credentials.generation
        if (self._valid[0] == generation and browser.epoch_ms() < self._valid[1]) or (renewed and self._has_expired()):
            raise refusal
        if not renewed:
            self._refused = generation
            credentials.renew_at(0)  # no other request is sent with it
        failure = await self._join(self._check if renewed else self._renew)
        self._raise_failure()
        if failure:
            raise failure.for_media("")
        if credentials.generation == generation:
            raise refusal

    def end(self, failure: AuthMediaError) -> None:
        """Makes all requests fail at once, until a token is set, and reports it to the application once.

        An account that is locked may be unlocked, which a request tries after a while.
        """
        credentials = self._credentials
        credentials.failure = failure
        if isinstance(failure, UserLocked):
            self._retry_ms = browser.epoch_ms() + _LOCKED_MS
        if credentials.on_session_failure and self._reported != credentials.generation:
            self._reported = credentials.generation
            credentials.on_session_failure(failure)

    def release(self) -> None:
        """Lets what waits go on, because a token was set."""
        self._failures, self._not_before_ms, self._retry_ms = 0, 0.0, None
        if self._flight:
            self._flight.done.set()
            self._flight = None

    def _raise_failure(self) -> None:
        if self._credentials.failure:
            raise self._credentials.failure.for_media("")

    def _has_expired(self) -> bool:
        expires_at_ms = self._credentials.expires_at_ms
        return expires_at_ms is not None and browser.epoch_ms() >= expires_at_ms

    # --- one renewal for all -----------------------------------------------------------------------------------------

    async def _join(self, work: "Any") -> AuthMediaError | None:
        flight = self._flight
        if not flight:
            flight = self._flight = _Flight()
            browser.create_task(self._run(flight, work()))
        await flight.done.wait()
        return flight.failure

    async def _run(self, flight: "_Flight", work: "Coroutine[Any, Any, AuthMediaError | None]") -> None:
        try:
            flight.failure = await work
        finally:
            if self._flight is flight:
                self._flight = None
            flight.done.set()

    async def _renew(self) -> AuthMediaError | None:
        """Replaces the token; returns why that failed, unless the token is valid nevertheless."""
        credentials = self._credentials
        generation = credentials.generation
        delay_ms = self._not_before_ms - browser.epoch_ms()
        if delay_ms > 0:
            await asyncio.sleep(delay_ms / 1000)
        try:
            tokens = await self._refresh(generation)
        except AuthMediaError as error:
            failure = error
        else:
            if credentials.generation == generation:  # else it was set meanwhile, by a new sign-in perhaps
                credentials.set(tokens[0], tokens[1])
            return None
        if not failure.temporary and credentials.generation == generation:
            undecided = await self._check()
            if not undecided:
                return None
            failure = undecided
        if credentials.generation != generation:
            return None
        delay_s = backoff.retry_delay_s(min(self._failures, _MAX_DOUBLINGS), failure.retry_after_s)
        self._failures += 1
        self._not_before_ms = browser.epoch_ms() + 1000 * delay_s
        if self._refused != generation:
            credentials.renew_at(self._not_before_ms)  # until then, requests go on with a token that is still valid
        return failure

    async def _refresh(self, generation: int) -> "tuple[str, float | None]":
        """Calls the application's function; returns its token, and for how many milliseconds that is valid."""
        refresh = self._credentials.refresh
        if not refresh:
            raise SessionExpired("This session has no way to renew its token")
        call = refresh

        async def awaited() -> "Tokens | str | None":
            return await call()  # MicroPython's `wait_for` takes no promise

        tokens: Tokens | str | None = None
        try:
            tokens = await asyncio.wait_for(awaited(), _REFRESH_TIMEOUT_S)
            words = "" if tokens or self._credentials.generation != generation else "it returned no token"
        except AuthMediaError:
            raise
        except asyncio.TimeoutError:  # noqa: UP041  (MicroPython's own)
            words = f"it took longer than {_REFRESH_TIMEOUT_S:.0f} seconds"
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
        if words:
            raise RenewalFailed("The session's token could not be renewed", words=words)
        if isinstance(tokens, str):
            return tokens, None
        return (tokens.access_token, tokens.expires_in_ms) if tokens else ("", None)

    async def _check(self) -> AuthMediaError | None:
        """Requests `/whoami`: the session has ended only if the homeserver says so there. Returns why it cannot tell.

        Any other endpoint may refuse a valid token, as one behind a proxy or of another server does.
        """
        credentials = self._credentials
        generation = credentials.generation
        ended: AuthMediaError
        try:
            url, headers = credentials.base_url + _WHOAMI, bearer_headers(credentials.token)
            (await request_url(url, headers=headers)).abort()
        except TokenRefused as error:
            kind = SoftLoggedOut if error.soft_logout else SessionExpired
            ended = kind("The homeserver does not know this session any more", words=error.words)
        except (UserLocked, UserDeactivated) as error:
            ended = error
        except AuthMediaError as error:
            return error if error.temporary or isinstance(error, ProxyRefused) else None
        else:
            until_ms = browser.epoch_ms() + _VERDICT_MS
            self._valid = (generation, min(until_ms, credentials.expires_at_ms or until_ms))
            if credentials.generation == generation:
                credentials.renew_at(None)
            return None
        if credentials.generation == generation:
            self.end(ended)
        return None


class _Flight:
    """One renewal in progress."""

    __slots__ = ("done", "failure")

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.failure: AuthMediaError | None = None
