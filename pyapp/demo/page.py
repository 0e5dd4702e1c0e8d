"""Base class of the demo pages: signs in, probes the strategies, runs the page's work and shows errors."""

import asyncio

from authmedia import browser, strategies
from authmedia.browser import BrowserError
from authmedia.errors import AuthMediaError, HomeserverUnreachable, SessionExpired
from authmedia.loader import forget_account, open_loader
from authmedia.media import Support
from demo import environment
from demo.report import Report
from demo.session import Session, open_session, remembered_session_unchecked, sign_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

_KEPT_PARAMETERS = ("interpreter", "homeserver")


class Page:
    """A page with its state, report, error panel and strategy support.

    An ``optimistic`` page starts its work with the session stored in the tab before the homeserver confirms it; its
    `work` must begin with a request to the homeserver and must not change the page before the response.

    :param name: the page's name.
    :param strategy: the strategy that shows the room; by default the one with the page's name.
    """

    optimistic = False

    def __init__(self, name: str, strategy: str = "") -> None:
        self.name = name
        self.strategy = strategy or name
        self.root = browser.document_element()
        about = environment.describe()
        about.update({"page": name, "strategy": self.strategy, "support": {}})
        self.report = Report(self.root, about)
        self.support: dict[str, Support] = {}
        self._sign_out_listener: browser.EventListener | None = None
        self._running_tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Starts the page."""
        browser.on_unhandled_exception(lambda error, message: self.fail(error or RuntimeError(message)))
        self._keep_parameters()
        self.start(self._run())

    async def work(self, session: Session) -> None:
        """Does the page's work after sign-in."""
        await self.probe_all(session)

    async def probe_all(self, session: Session) -> None:
        """Probes the page's own strategy and the main ones, and shows the result of each."""
        await self.probe_own(session)
        await self.probe_others(session)

    async def probe_own(self, session: Session) -> None:
        """Probes the page's own strategy, if it has one."""
        if self.strategy in strategies.NAMES + strategies.BASELINES + (strategies.AUTO, strategies.REDIRECT):
            await self._probe(self.strategy, session)

    async def probe_others(self, session: Session) -> None:
        """Probes the main strategies that were not probed yet."""
        for name in strategies.NAMES:
            if name not in self.support:
                await self._probe(name, session)
        self.report.set_field("mode", environment.guess_mode(self.support["opfs"]))

    async def _probe(self, name: str, session: Session) -> None:
        loader = open_loader(name, session.homeserver)
        try:
            support = await loader.support()
        finally:
            loader.close()
        self.support[name] = support
        self.report.set_support(name, support)
        self._show_support(name, support)

    def set_state(self, state: str) -> None:
        """Sets ``<html data-state>``."""
        self.root.set_attribute("data-state", state)

    def reset(self) -> None:
        """Hides the error panel and sets the state to ``running`` before new work."""
        self.root.query("#problem").hidden = True
        self.set_state("running")

    def start(self, work: "Coroutine[Any, Any, None]") -> None:
        """Runs a coroutine as a task whose errors are shown on the page."""
        self._running_tasks = [task for task in self._running_tasks if not task.done()]
        self._running_tasks.append(browser.create_task(self._guarded(work)))

    def fail(self, error: BaseException) -> None:
        """Shows an error: its sentence for people, its type and text for developers; sets the state to ``failed``."""
        problem = self.root.query("#problem")
        problem.query(".people").text = getattr(error, "user_message", "Something went wrong on this page.")
        problem.query(".developers").text = f"{type(error).__name__}: {error}"
        problem.hidden = False
        self.report.set_field("problem", f"{type(error).__name__}: {error}")
        self.set_state("failed")

    async def _run(self) -> None:
        self.set_state("running")
        assumed = await remembered_session_unchecked() if self.optimistic else None
        try:
            await self._work(assumed or await open_session())
        except (SessionExpired, HomeserverUnreachable):
            if not assumed:
                raise
            # The session ended, or the demonstration's homeserver has moved to another address.
            await self._work(await open_session())
        self.report.write()
        self.set_state("done")

    async def _work(self, session: Session) -> None:
        self.report.set_field("homeserver", session.homeserver.base_url)
        self._show_account(session)
        await self.work(session)

    async def _guarded(self, work: "Coroutine[Any, Any, None]") -> None:
        try:
            await work
        except (AuthMediaError, BrowserError) as error:
            self.fail(error)

    def _show_support(self, name: str, support: Support) -> None:
        for place in self.root.query_all(f'[data-support="{name}"]'):
            place.set_attribute("data-works", "yes" if support.works else "no")
            place.query(".verdict").text = "works here" if support.works else "does not work here"
            place.query(".words").text = support.words

    async def show_age(self, session: Session) -> None:
        """Says so, if the homeserver is known to be from before Matrix 1.11."""
        if session.homeserver.open_media_prefix:
            newest = (await session.homeserver.request_versions()).newest
            age = self.root.query("#age")
            age.query(".version").text = newest
            age.hidden = False

    def _show_account(self, session: Session) -> None:
        account = self.root.query("#account")
        account.query(".user").text = session.homeserver.user_id
        account.hidden = False
        if self._sign_out_listener:
            self._sign_out_listener.close()
        self._sign_out_listener = account.query("button").listen(
            "click", lambda: browser.create_task(self._guarded(self._sign_out(session)))
        )

    def release(self) -> None:
        """Closes loaders and binders, so that nothing of an account outlives its session."""

    async def _sign_out(self, session: Session) -> None:
        for task in self._running_tasks:
            task.cancel()
        for task in self._running_tasks:
            try:
                await task
            except (asyncio.CancelledError, Exception):
                continue  # the task no longer loads or stores anything; `_guarded` has shown its error
        self.release()
        await forget_account(session.homeserver)
        await sign_out(session)
        browser.reload_page()

    def _keep_parameters(self) -> None:
        """Copies the page's interpreter and homeserver parameters into the links to other pages."""
        for link in self.root.query_all("a[data-keep]"):
            target = link.get_attribute("href").split("?")[0]
            # Only a link to the same page keeps the parameter `strategy`: other pages have a strategy of their own.
            names = _KEPT_PARAMETERS + (("strategy",) if target == self.name + ".html" else ())
            chosen = {
                "interpreter": link.get_attribute("data-interpreter"),
                "strategy": link.get_attribute("data-strategy-choice"),
            }
            values = [(name, chosen.get(name) or browser.query_parameter(name)) for name in names]
            link.set_attribute("href", target + browser.build_query(values))
