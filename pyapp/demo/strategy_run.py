"""Runs one strategy in its own page, inside a frame: a first visit, then a reload."""

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

_PATIENCE_S = 120.0
_ENDED = ("done", "failed")
_STOPPED = "stopped while it was running"
# What needs CPython's library, and so is run on Pyodide whatever the comparison itself runs on.
_PYODIDE_ONLY = ("blocking",)
_PYODIDE_NOTE = "run on Pyodide, since MicroPython has no urllib"


class Trial:
    """One strategy's turn.

    :param name: the strategy.
    :param session: whose room it shows; where it can be renewed, the strategy's page signs in anew.
    :param cacheable: addresses that the browser's HTTP cache may know from before, and is to forget.
    :param on_step: told what is being done, in a few words.
    """

    def __init__(self, name: str, session: Session, cacheable: "list[str]", on_step: "Callable[[str], None]") -> None:
        self.name = name
        self._session = session
        self._cacheable = cacheable
        self._on_step = on_step
        self._element = browser.instance("preview")
        self._element.set("title", f"The page of {name}, while it is being measured")
        self._frame = Frame(self._element)

    async def run(self, stage: Element) -> "dict[str, Any]":
        """Runs it; gives the outcome.

        :param stage: where its page can be seen meanwhile.
        """
        await http_cache.empty(self._cacheable)
        if self._session.renewable:
            await forget_session()
        stage.append(self._element)
        try:
            found = await self._visits()
        finally:
            self._frame.close()
            await self._tidy()
        if self.name in _PYODIDE_ONLY and browser.query("interpreter") != "pyodide":
            found["note"] = "; ".join([note for note in (_PYODIDE_NOTE, found["note"]) if note])
        return found

    def stop(self) -> None:
        """Ends it; what a first visit gave is kept."""
        self._frame.close()

    async def _visits(self) -> "dict[str, Any]":
        self._on_step("first visit")
        self._frame.open(self._address())
        state, report = await self._ended()
        if not self._frame.is_open:
            return comparison.not_run(_STOPPED)
        found = comparison.outcome(self.name, state, report)
        if found["first"]:
            self._on_step("after a reload")
            self._frame.reload()
            state, report = await self._ended()
            if state == "done":
                found["reload"] = comparison.visit(report)
            elif self._frame.is_open:
                found["note"] = "fails after a reload: " + comparison.problem(report)
        return found

    async def _ended(self) -> "tuple[str, dict[str, Any]]":
        state = await self._frame.settled(_ENDED, _PATIENCE_S)
        return state, json.loads(self._frame.text("#report") or "{}")

    def _address(self) -> str:
        """The address of the strategy's own page, as people open it, but with nothing kept from before."""
        interpreter = "pyodide" if self.name in _PYODIDE_ONLY else browser.query("interpreter")
        parameters = [
            ("interpreter", interpreter),
            ("homeserver", self._session.homeserver.base_url),
            ("fresh", "1"),
            ("measure", "video"),
            ("alone", "1"),
        ]
        folder = browser.page_address().rsplit("/", 1)[0]
        return f"{folder}/{self.name.replace('_', '-')}.html{browser.query_string(parameters)}"

    async def _tidy(self) -> None:
        """Takes away what the run leaves behind, worker, cookie, files and session, so that the next starts alike."""
        left = await remembered_session()
        if not left:
            return
        loader = open_loader(self.name, left.homeserver)
        try:
            await loader.forget()
        except AuthMediaError:
            pass  # whoever refuses has kept nothing
        finally:
            loader.close()
        if left.renewable:
            await sign_out(left.homeserver)
