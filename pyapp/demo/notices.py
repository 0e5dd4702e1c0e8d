"""What a form or dialog says below its fields: how far it is, and what went wrong."""

from authmedia.browser import Element
from authmedia.errors import AuthMediaError


class Notices:
    """The elements ``.status`` and ``.problem`` of a form or dialog.

    :param root: the form or dialog.
    """

    __slots__ = ("_developers", "_people", "_status")

    def __init__(self, root: Element) -> None:
        self._status = root.query(".status")
        self._people = root.query(".problem .people")
        self._developers = root.query(".problem .developers")

    def say(self, words: str) -> None:
        """Says how far it is; nothing for an empty text."""
        self._status.text = words

    def show_problem(self, words: str, details: str = "") -> None:
        """Says what went wrong; nothing for an empty text.

        :param details: for developers.
        """
        self._people.text = words
        self._developers.text = details

    def show_error(self, words: str, error: AuthMediaError) -> None:
        """Says what went wrong, with an error's own text for developers."""
        self.show_problem(words, f"{error.summary}. {error.words}" if error.words else error.summary)
