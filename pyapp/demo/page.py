"""The life of a demo page: sign in, try every strategy, do the page's work, and say on the page what goes wrong."""

import asyncio

from authmedia import browser, strategies
from authmedia.browser import BrowserError
from authmedia.errors import AuthMediaError, HomeserverUnreachable, SessionExpired
from authmedia.loader import forget_account, open_loader
from authmedia.media import Support
from demo import environment
from demo.report import Report
from demo.session import Session, assumed_session, open_session, sign_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

_KEPT_PARAMETERS = ("interpreter", "homeserver")


class Page:
    """What every page has: its state, its report, a place for problems, and what works here.

    Where it is ``hasty``, its work begins with a session that the tab remembers, before anybody has said that it is
    good; it must then begin by asking the homeserver for something, and change nothing on the page before that came.

    :param name: the page's name.
    :param strategy: the strategy that it shows a room by; the one of its own name where none is given.
    """

    hasty = False

    def __init__(self, name: str, strategy: str = "") -> None:
        self.name = name
        self.strategy = strategy or name
        self.root = browser.root()
        about = environment.describe()
        about.update({"page": name, "strategy": self.strategy, "support": {}})
        self.report = Report(self.root, about)
        self.support: dict[str, Support] = {}
        self._leaving: browser.Listener | None = None
        self._under_way: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Starts the page."""
        browser.on_unhandled(lambda error, message: self.fail(error or RuntimeError(message)))
        self._keep_parameters()
        self.start(self._run())

    async def work(self, session: Session) -> None:
        """What this page does once somebody is signed in."""
        await self.try_all(session)

    async def try_all(self, session: Session) -> None:
        """Tries the strategies, and this page's own, and writes on the page what each had to say."""
        await self.try_own(session)
        await self.try_others(session)

    async def try_own(self, session: Session) -> None:
        """Tries the strategy of this page, where it has one."""
        if self.strategy in strategies.NAMES + strategies.BASELINES + (strategies.AUTO,):
            await self._try(self.strategy, session)

    async def try_others(self, session: Session) -> None:
        """Tries those of the main strategies that were not tried yet."""
        for name in strategies.NAMES:
            if name not in self.support:
                await self._try(name, session)
        self.report.tell("mode", environment.mode(self.support["opfs"]))

    async def _try(self, name: str, session: Session) -> None:
        loader = open_loader(name, session.homeserver)
        try:
            support = await loader.support()
        finally:
            loader.close()
        self.support[name] = support
        self.report.tell_support(name, support)
        self._show_support(name, support)

    def enter(self, state: str) -> None:
        """Says on ``<html data-state>`` how far the page is."""
        self.root.set("data-state", state)

    def begin_anew(self) -> None:
        """Says that something else is done now: what went wrong before is over."""
        self.root.find("#problem").hidden = True
        self.enter("running")

    def start(self, work: "Coroutine[Any, Any, None]") -> None:
        """Does something as a task of its own; whatever goes wrong in it is said on the page."""
        self._under_way = [task for task in self._under_way if not task.done()]
        self._under_way.append(browser.spawn(self._guarded(work)))

    def fail(self, error: BaseException) -> None:
        """Says on the page what went wrong: for people in front, for developers behind."""
        problem = self.root.find("#problem")
        problem.find(".people").text = getattr(error, "people", "Something went wrong on this page.")
        problem.find(".developers").text = f"{type(error).__name__}: {error}"
        problem.hidden = False
        self.report.tell("problem", f"{type(error).__name__}: {error}")
        self.enter("failed")

    async def _run(self) -> None:
        self.enter("running")
        assumed = await assumed_session() if self.hasty else None
        try:
            await self._work(assumed or await open_session())
        except (SessionExpired, HomeserverUnreachable):
            if not assumed:
                raise
            # It has ended, or the demonstration's homeserver has another address since.
            await self._work(await open_session())
        self.report.write()
        self.enter("done")

    async def _work(self, session: Session) -> None:
        self.report.tell("homeserver", session.homeserver.base_url)
        self._show_account(session)
        await self.work(session)

    async def _guarded(self, work: "Coroutine[Any, Any, None]") -> None:
        try:
            await work
        except (AuthMediaError, BrowserError) as error:
            self.fail(error)

    def _show_support(self, name: str, support: Support) -> None:
        for place in self.root.find_all(f'[data-support="{name}"]'):
            place.set("data-works", "yes" if support.works else "no")
            place.find(".verdict").text = "works here" if support.works else "does not work here"
            place.find(".words").text = support.words

    def _show_account(self, session: Session) -> None:
        account = self.root.find("#account")
        account.find(".user").text = session.homeserver.user_id
        account.hidden = False
        if self._leaving:
            self._leaving.close()
        self._leaving = account.find("button").on("click", lambda: browser.spawn(self._guarded(self._leave(session))))

    def let_go(self) -> None:
        """Ends and releases whatever the page loads: nothing of an account outlives its session."""

    async def _leave(self, session: Session) -> None:
        for task in self._under_way:
            task.cancel()
        for task in self._under_way:
            try:
                await task
            except (asyncio.CancelledError, Exception):
                continue  # nothing of it loads, or stores, any more; what else it ended in has been told
        self.let_go()
        await forget_account(session.homeserver)
        await sign_out(session.homeserver)
        browser.reload()

    def _keep_parameters(self) -> None:
        """Has the links to other pages keep the interpreter and the homeserver that this one was opened with."""
        for link in self.root.find_all("a[data-keep]"):
            target = link.get("href").split("?")[0]
            # One page shows its room by any strategy; to all others, that is none of theirs.
            names = _KEPT_PARAMETERS + (("strategy",) if target == self.name + ".html" else ())
            chosen = {"interpreter": link.get("data-interpreter"), "strategy": link.get("data-strategy-choice")}
            values = [(name, chosen.get(name) or browser.query(name)) for name in names]
            link.set("href", target + browser.query_string(values))
