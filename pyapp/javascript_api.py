"""The Python side of ``authmedia.js``: sessions and loads by their numbers, requests and outcomes as JSON.

Texts, numbers and functions alone pass between the two languages: integers of 2^31 and more arrive whole in JSON, and
no proxy has to be kept alive or destroyed. Functions that end in a promise take its ``resolve`` and ``reject``.
"""

import asyncio
import json

from authmedia import browser, strategies
from authmedia.elements.binder import Binder, bind
from authmedia.elements.binding import FAILED, HELD, LOADING
from authmedia.errors import (
    AuthMediaError,
    HomeserverUnreachable,
    LinksUnsupported,
    ProxyRefused,
    RenewalFailed,
    SessionExpired,
    StrategyUnsupported,
)
from authmedia.loader import forget_account, open_loader
from authmedia.matrix.encrypted_file import Keyring
from authmedia.matrix.homeserver import Homeserver
from authmedia.matrix.tokens import Tokens
from authmedia.media import Media, MediaRequest
from javascript_json import InvalidOption, describe_error, describe_media, open_policy, read_limits, read_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    Function = Callable[..., Any]

#: The strategies that ``authmedia-js`` has: the baselines need endpoints and files that it does not come with.
STRATEGIES = (strategies.AUTO,) + strategies.NAMES + (strategies.PLAIN, strategies.REDIRECT)
# The errors of elements that concern the session rather than one media. `Homeserver` reports those that end it.
_SESSION_ERRORS = (HomeserverUnreachable, LinksUnsupported, ProxyRefused, RenewalFailed, StrategyUnsupported)


class Callbacks:
    """The functions of JavaScript that a session calls.

    :param on_state: called with an element of JavaScript, its state, and a description of media or error.
    :param on_error: called with the description of an error that neither a promise nor an element reports.
    :param refresh: called with a function that takes the new tokens, or a description of the error.
    """

    __slots__ = ("on_error", "on_state", "refresh")

    def __init__(self, on_state: "Function", on_error: "Function", refresh: "Function") -> None:
        self.on_state = on_state
        self.on_error = on_error
        self.refresh = refresh


class Session:
    """One account's session, its bound elements and its loads.

    :param options: those of ``start`` that are no functions.
    :param root: the element below which elements are bound; ``None`` binds none.
    """

    def __init__(self, options: "dict[str, Any]", root: browser.Element | None, callbacks: Callbacks) -> None:
        if options["strategy"] not in STRATEGIES:
            raise InvalidOption(f"There is no strategy {options['strategy']!r}; there are {', '.join(STRATEGIES)}")
        self._callbacks = callbacks
        self.homeserver = Homeserver(
            options["homeserver"],
            options["userId"],
            options["accessToken"],
            refresh=self._refresh if options["refreshes"] else None,
            expires_in_ms=options["expiresInMs"],
            on_session_failure=self._report,
        )
        self.loader = open_loader(options["strategy"], self.homeserver, limits=read_limits(options["limits"]))
        self.keyring = Keyring()
        self.tasks: dict[int, asyncio.Task[None]] = {}
        self._held: dict[int, Media] = {}
        # The class of the last error that elements reported of the session, so that it is passed on once.
        self._reported = ""
        # The URI of each bound element, by the identity of the object that its binding holds.
        self._mxcs: dict[int, str] = {}
        self._closed = False
        self.policy = open_policy(options["policy"])
        self.binder: Binder | None = None
        if root:
            own: dict[str, Any] = {name: None for name in ("placeholder", "failure_view") if not options[name]}
            self.binder = bind(
                root,
                self.loader,
                keyring=self.keyring,
                on_state_change=self._on_state_change,
                near_px=options["nearPx"],
                css_pixels=options["cssPixels"],
                shadow_roots=options["shadowRoots"],
                policy=self.policy,
                **own,
            )

    async def load(self, number: int, request: MediaRequest, on_progress: "Function | None") -> "dict[str, Any]":
        """Loads a media, holds it under a number, and returns its description."""
        media = await self.loader.load(request, on_progress=on_progress)
        self._held[number] = media
        return describe_media(media)

    def end_load(self, number: int) -> None:
        """Cancels a load in progress, or releases its media."""
        task = self.tasks.pop(number, None)
        if task:
            task.cancel()
        media = self._held.pop(number, None)
        if media:
            self.loader.release(media)

    def retry(self, js: "Any") -> None:
        """Loads an element of JavaScript again, if it has failed."""
        for binding in self.binder.bindings if self.binder else []:
            if binding.state == FAILED and binding.element.js.isSameNode(js):
                binding.retry()

    async def forget(self, request: MediaRequest | None) -> None:
        """Removes what is cached or stored of one media, or of the whole account, for which `close` may come first."""
        if not self._closed:
            await self.loader.forget(request)
        if not request:
            await forget_account(self.homeserver)

    def close(self) -> None:
        """Unbinds all elements, aborts all loads and releases all media."""
        self._closed = True
        if self.binder:
            self.binder.close()
        for number in list(self.tasks) + list(self._held):
            self.end_load(number)
        self.loader.close()

    def _on_state_change(self, element: browser.Element, state: str, outcome: "Media | AuthMediaError | None") -> None:
        detail: dict[str, Any] = {"mxc": self._mxc(element, state)}
        if isinstance(outcome, AuthMediaError):
            detail["error"] = describe_error(outcome)
            name = type(outcome).__name__
            if isinstance(outcome, _SESSION_ERRORS) and name != self._reported:
                self._reported = name
                self._report(outcome)
        elif outcome:
            detail.update(describe_media(outcome))
            self._reported = ""
        self._callbacks.on_state(element.js, state, json.dumps(detail))

    def _mxc(self, element: browser.Element, state: str) -> str:
        """Returns the URI that an element is bound to, which its attribute may have lost when it is released."""
        key = id(element)
        if state and (state in (LOADING, HELD) or key not in self._mxcs):
            self._mxcs[key] = element.get_attribute("data-mxc") or element.get_attribute("data-mxc-background")
        return self._mxcs[key] if state else self._mxcs.pop(key, "")

    def _report(self, error: AuthMediaError) -> None:
        self._callbacks.on_error(json.dumps(describe_error(error)))

    async def _refresh(self) -> Tokens:
        """Returns the tokens that the application's ``refresh`` resolves to."""
        done = asyncio.Event()
        outcome: dict[str, Any] = {}

        def on_outcome(text: str) -> None:
            outcome.update(json.loads(text))
            done.set()

        self._callbacks.refresh(on_outcome)
        await done.wait()
        if outcome["errorClass"] == SessionExpired.__name__:
            raise SessionExpired("The application says that the session has ended", words=outcome["words"])
        if outcome["errorClass"]:
            raise RenewalFailed("The session's token could not be renewed", words=outcome["words"])
        return Tokens(outcome["accessToken"], expires_in_ms=outcome["expiresInMs"])


_sessions: "dict[int, Session]" = {}


def set_up(file_writer: str, decryption_worker: str, on_error: "Function") -> None:
    """Prepares what all sessions share.

    :param file_writer: URL of ``file-writer.js``; ``decryption_worker``: that of ``decryption-worker.js``.
    :param on_error: called with the description of each exception that no other function reports.
    """

    def handle(error: BaseException | None, message: str) -> None:
        on_error(json.dumps(describe_error(error or RuntimeError(message))))

    browser.set_worker_script("file-writer.js", file_writer)
    browser.set_worker_script("decryption-worker.js", decryption_worker)
    browser.on_unhandled_exception(handle)


def start(
    number: int,
    options: str,
    root: "Any",
    on_state: "Function",
    on_error: "Function",
    refresh: "Function",
    resolve: "Function",
    reject: "Function",
) -> None:
    """Starts a session.

    :param options: those of ``start`` that are no functions; ``root`` is bound where ``bindsRoot`` is true.
    """

    async def run() -> None:
        read = json.loads(options)
        element = browser.as_element(root) if read["bindsRoot"] else None
        try:
            _sessions[number] = Session(read, element, Callbacks(on_state, on_error, refresh))
        except ValueError as error:
            raise InvalidOption(str(error))

    _start_task(run(), resolve, reject)


def set_access_token(session: int, tokens: str) -> None:
    """Replaces a session's access token.

    :param tokens: ``accessToken`` and ``expiresInMs``.
    """
    read = json.loads(tokens)
    _sessions[session].homeserver.set_access_token(read["accessToken"], expires_in_ms=read["expiresInMs"])


def register(session: int, file: str) -> str:
    """Adds an event's ``file`` to the session's keyring; returns its handle for ``data-encrypted``."""
    return _sessions[session].keyring.add(json.loads(file))


def load(
    session: int, number: int, request: str, on_progress: "Function", resolve: "Function", reject: "Function"
) -> None:
    """Loads a media under a number that the caller chose; see `end_load`."""
    owner = _sessions[session]

    def report(received: int, total: int) -> None:
        on_progress(float(received), float(total))  # integers of 2^31 and more would wrap

    async def run() -> "dict[str, Any]":
        try:
            return await owner.load(number, read_request(request), report)
        finally:
            owner.tasks.pop(number, None)

    owner.tasks[number] = _start_task(run(), resolve, reject)


def end_load(session: int, number: int) -> None:
    """Cancels a load in progress, or releases its media."""
    _sessions[session].end_load(number)


def support(session: int, resolve: "Function", reject: "Function") -> None:
    """Tries whether the session's strategy works in this window and with its homeserver."""

    async def run() -> "dict[str, Any]":
        found = await _sessions[session].loader.support()
        return {"works": found.works, "words": found.words}

    _start_task(run(), resolve, reject)


def forget(session: int, request: str, resolve: "Function", reject: "Function") -> None:
    """Removes what is stored of one media, or of the whole account where ``request`` is empty."""

    async def run() -> None:
        await _sessions[session].forget(read_request(request) if request else None)

    _start_task(run(), resolve, reject)


def set_policy(session: int, settings: str) -> None:
    """Changes the session's policy.

    :param settings: those that change.
    """
    policy = _sessions[session].policy
    if policy:
        policy.update(**json.loads(settings))


def choose(session: int, mxc: str, shown: bool) -> None:
    """Shows or hides a media whatever the policy says."""
    policy = _sessions[session].policy
    if policy:
        policy.choose(mxc, shown)


def stop(session: int) -> None:
    """Stops a session: its elements are emptied, and its loads aborted."""
    _sessions[session].close()


def add_root(session: int, root: "Any") -> None:
    """Binds the elements below a shadow root, too; see `Binder.add_root`."""
    binder = _sessions[session].binder
    if binder:
        binder.add_root(root)


def retry(session: int, element: "Any") -> None:
    """Loads an element that has failed again; does nothing for any other."""
    _sessions[session].retry(element)


def _start_task(work: "Coroutine[Any, Any, Any]", resolve: "Function", reject: "Function") -> "asyncio.Task[None]":
    """Runs a coroutine as a task, and settles a promise of JavaScript with its result or error."""

    async def run() -> None:
        try:
            result = await work
        except Exception as error:
            reject(json.dumps(describe_error(error)))
            return
        resolve(json.dumps(result))

    return browser.create_task(run())
