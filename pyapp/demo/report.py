"""What a page reports to scripts, as JSON."""

import json

from authmedia import browser
from authmedia.media import Support

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Report:
    """The JSON of one page.

    :param about: what it says beside the list of media.
    """

    __slots__ = ("_about", "_json", "media")

    def __init__(self, page: browser.Element, about: "dict[str, Any]") -> None:
        self._about = about
        self._json = page.query("#report")
        #: Gives the list of media; a page that shows some puts its own in here.
        self.media: Callable[[], list[dict[str, Any]]] = list

    def tell(self, name: str, value: object) -> None:
        """Adds a field to the JSON, outside the list of media."""
        self._about[name] = value
        self.write()

    def tell_support(self, name: str, support: Support) -> None:
        """Adds what a strategy's trial gave."""
        self._about["support"][name] = {"works": support.works, "words": support.words}
        self.write()

    def write(self) -> None:
        """Writes the JSON now."""
        self._json.text = json.dumps(self.content())

    def content(self) -> "dict[str, Any]":
        """All that the JSON says."""
        return dict(self._about, media=self.media())
