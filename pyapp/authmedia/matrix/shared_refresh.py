"""Renews the tokens of a session that several tabs have, once for all of them.

A refresh token is spent when it is used: of two tabs that use the same one, the second is signed out. Tabs have the
same tokens when an application stores them where all its tabs read them, and when a tab is duplicated, because the
browser copies its ``sessionStorage``. So one tab at a time renews, under a Web Lock, and hands the new tokens to the
others by a BroadcastChannel. They are stored nowhere but where the application stores them.
"""

import asyncio
import hashlib
import json

from authmedia import browser
from authmedia.matrix.tokens import Tokens
from authmedia.support.base64url import base64url
from authmedia.support.untrusted import json_object, parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

_PREFIX = "authmedia.tokens "
# How long other tabs have to reply, if there are any.
_REPLY_TIMEOUT_S = 0.5


class SharedRefresh:
    """The ``refresh`` of a `Homeserver` whose tokens other tabs may have, too.

    >>> shared = SharedRefresh(name, tokens, lambda token: refresh_tokens(base_url, token), store)
    >>> homeserver = Homeserver(base_url, user_id, tokens.access_token, refresh=shared.refresh)

    :param name: names the session. It is a secret of its tabs: make it at random at the login, and store it with the
        tokens.
    :param tokens: the session's tokens.
    :param spend: an async function that returns the next tokens for a refresh token.
    :param store: an async function that stores tokens for this tab's next page, which it is called for before they are
        used. They are secrets: nothing that outlives the session may contain them.
    """

    __slots__ = (
        "_answered",
        "_asked_ms",
        "_channel",
        "_given",
        "_has_others",
        "_lock_name",
        "_spend",
        "_store",
        "tokens",
    )

    def __init__(
        self,
        name: str,
        tokens: Tokens,
        spend: "Callable[[str], Awaitable[Tokens]]",
        store: "Callable[[Tokens], Coroutine[Any, Any, None]]",
    ) -> None:
        # Every page of the origin sees the names of locks.
        self._lock_name = _PREFIX + base64url(hashlib.sha256(name.encode()).digest())
        self._spend = spend
        self._store = store
        #: The newest tokens.
        self.tokens = tokens
        # Those that the homeserver has.
        self._given = tokens
        self._has_others = False
        self._answered = asyncio.Event()
        self._asked_ms = browser.now_ms()
        self._channel = browser.open_channel(_PREFIX + name, self._on_message)
        self._ask()

    async def refresh(self) -> Tokens:
        """Returns newer tokens: another tab's, if one has renewed them, else those that the refresh token is spent for.

        :raises AuthMediaError: what ``spend`` raises.
        """
        if self.tokens is self._given:
            await self._renew_alone()
        self._given = self.tokens
        return self.tokens

    def close(self) -> None:
        """Closes the channel to the other tabs."""
        self._channel.close()

    async def _renew_alone(self) -> None:
        """Renews the tokens while no other tab does; without Web Locks, as in a page that is no secure context, too."""
        lock: browser.Lock | None = browser.Lock(self._lock_name)
        try:
            await lock.__aenter__()  # type: ignore[union-attr]
        except browser.BrowserError:
            lock = None
        try:
            await self._wait_for_others()
            if self.tokens is self._given:
                await self._renew()
        finally:
            if lock:
                await lock.__aexit__(None, None, None)

    async def _renew(self) -> None:
        before = self.tokens
        tokens = await self._spend(before.refresh_token)
        tokens.renewals = before.renewals + 1
        self.tokens = tokens
        await self._store(tokens)
        self._post(tokens)

    async def _wait_for_others(self) -> None:
        """Waits until another tab has replied with its tokens: one that held the lock before has newer ones.

        A tab that was alone when it was opened, and has heard of no other since, does not wait.
        """
        if self._has_others:
            self._answered = asyncio.Event()
            self._asked_ms = browser.now_ms()
            self._ask()
        left_s = _REPLY_TIMEOUT_S - (browser.now_ms() - self._asked_ms) / 1000
        if left_s <= 0 or self._answered.is_set():
            return
        try:
            await asyncio.wait_for(self._answered.wait(), left_s)
        except asyncio.TimeoutError:  # noqa: UP041  (MicroPython's own)
            self._has_others = False  # they were closed, or are suspended

    # --- messages: how often a tab's tokens were renewed, and with newer ones also the tokens ------------------------

    def _ask(self) -> None:
        self._channel.post(json.dumps({"renewals": self.tokens.renewals}))

    def _post(self, tokens: Tokens) -> None:
        self._channel.post(json.dumps(tokens.to_json()))

    def _on_message(self, text: str) -> None:
        message = json_object(parse_json(text))
        received = Tokens.from_json(message)
        self._has_others = True
        if received.access_token:
            if received.renewals > self.tokens.renewals:
                self.tokens = received
                browser.create_task(self._store(received))
            self._answered.set()
        elif received.renewals < self.tokens.renewals:
            self._post(self.tokens)
        elif not message.get("reply"):
            self._channel.post(json.dumps({"renewals": self.tokens.renewals, "reply": True}))
        else:
            self._answered.set()
