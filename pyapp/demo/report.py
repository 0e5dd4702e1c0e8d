"""The page's machine-readable report, in ``<script type="application/json" id="report">``."""

import json

from authmedia import browser
from authmedia.media import Support

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Report:
    """The report of one page.

    :param about: its fields besides the list of media.
    """

    __slots__ = ("_about", "_json", "media")

    def __init__(self, page: browser.Element, about: "dict[str, Any]") -> None:
        self._about = about
        self._json = page.query("#report")
        #: Returns the list of media; a page that shows media replaces it.
        self.media: Callable[[], list[dict[str, Any]]] = list

    def set_field(self, name: str, value: object) -> None:
        """Sets a field besides the list of media and writes the report."""
        self._about[name] = value
        self.write()

    def set_support(self, name: str, support: Support) -> None:
        """Sets a strategy's support and writes the report."""
        self._about["support"][name] = {"works": support.works, "words": support.words}
        self.write()

    def write(self) -> None:
        """Writes the report into the document."""
        self._json.text = json.dumps(self.content())

    def content(self) -> "dict[str, Any]":
        """Returns the whole report."""
        return dict(self._about, media=self.media())
