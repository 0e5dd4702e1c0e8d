"""Runs one strategy's own page in a frame, for a first visit and a reload, and returns what they cost."""

import json

from authmedia import browser
from authmedia.browser import Element, Frame
from authmedia.errors import AuthMediaError
from authmedia.loader import open_loader
from demo import comparison, http_cache
from demo.session import Session, forget_session, remembered_session, sign_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_VISIT_TIMEOUT_S = 120.0
_FINAL_STATES = ("done", "failed")
_STOPPED = "stopped while it was running"
# Strategies that need CPython's standard library, and so run on Pyodide whatever interpreter the comparison uses.
_PYODIDE_ONLY = ("blocking",)
_PYODIDE_NOTE = "run on Pyodide, since MicroPython has no urllib"


class StrategyRun:
    """The run of one strategy.

    :param name: the strategy.
    :param session: the session whose room is shown; if it is renewable, the strategy's page signs in anew.
    :param cacheable: URLs to evict from the browser's HTTP cache first.
    :param on_step: called with a short description of each step.
    """

    def __init__(self, name: str, session: Session, cacheable: "list[str]", on_step: "Callable[[str], None]") -> None:
        self.name = name
        self._session = session
        self._cacheable = cacheable
        self._on_step = on_step
        self._element = browser.clone_template("preview")
        self._element.set_attribute("title", f"The page of {name}, while it is being measured")
        self._frame = Frame(self._element)

    async def run(self, container: Element) -> "dict[str, Any]":
        """Runs both visits.

        :param container: the element in which the frame is visible meanwhile.
        :returns: an outcome as `comparison.outcome` makes it.
        """
        await http_cache.empty(self._cacheable)
        if self._session.is_demo:
            await forget_session()
        container.append(self._element)
        try:
            found = await self._run_visits()
        finally:
            self._frame.close()
            await self._clean_up()
        if self.name in _PYODIDE_ONLY and browser.query_parameter("interpreter") != "pyodide":
            found["note"] = "; ".join([note for note in (_PYODIDE_NOTE, found["note"]) if note])
        return found

    def stop(self) -> None:
        """Stops the run; the result of a completed first visit is kept."""
        self._frame.close()

    async def _run_visits(self) -> "dict[str, Any]":
        self._on_step("first visit")
        self._frame.navigate(self._address())
        state, report = await self._wait_for_end()
        if not self._frame.is_open:
            return comparison.not_run(_STOPPED)
        found = comparison.outcome(self.name, state, report)
        if found["first"]:
            self._on_step("after a reload")
            self._frame.reload()
            state, report = await self._wait_for_end()
            if state == "done":
                found["reload"] = comparison.visit(report)
            elif self._frame.is_open:
                found["note"] = "fails after a reload: " + comparison.problem(report)
        return found

    async def _wait_for_end(self) -> "tuple[str, dict[str, Any]]":
        state = await self._frame.wait_for_state(_FINAL_STATES, _VISIT_TIMEOUT_S)
        return state, json.loads(self._frame.text("#report") or "{}")

    def _address(self) -> str:
        """Returns the URL of the strategy's page, with parameters that clear what earlier visits stored."""
        interpreter = "pyodide" if self.name in _PYODIDE_ONLY else browser.query_parameter("interpreter")
        parameters = [
            ("interpreter", interpreter),
            ("homeserver", self._session.homeserver.base_url),
            ("fresh", "1"),
            ("measure", "video"),
            ("alone", "1"),
        ]
        folder = browser.page_url().rsplit("/", 1)[0]
        return f"{folder}/{self.name.replace('_', '-')}.html{browser.build_query(parameters)}"

    async def _clean_up(self) -> None:
        """Removes the run's worker, cookie, files and session, so that the next run starts from the same state."""
        left = await remembered_session()
        if not left:
            return
        loader = open_loader(self.name, left.homeserver)
        try:
            await loader.forget()
        except AuthMediaError:
            pass  # a strategy that is refused has stored nothing
        finally:
            loader.close()
        if left.is_demo:
            await sign_out(left)
