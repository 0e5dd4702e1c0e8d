"""What elements say in another language than English: messages by error class, with plurals and direction."""

from authmedia.browser import format_bytes, format_number, plural_category
from authmedia.errors import AuthMediaError
from authmedia.support.options import error_class, reject_unknown, require

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Never

_OPTIONS = ("errors", "retry", "retry_label", "save", "load_original", "waiting", "waiting_for", "lang", "dir", "show")
_DIRECTIONS = ("ltr", "rtl", "auto")
# The plural categories of all languages, https://cldr.unicode.org/index/cldr-spec/plural-rules
_CATEGORIES = ("zero", "one", "two", "few", "many", "other")
# The text of an error that names no time.
_NO_NUMBER = "none"
_SECONDS = "{seconds}"
# What stands for the format of a `FormatUnsupported`.
_FORMAT = "{format}"
_SIZE = "{size}"
_KINDS = ("image", "video", "audio")
_LETTERS, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "0123456789"


class Messages:
    """All words that elements show, in one language.

    >>> polish = Messages(
    ...     {
    ...         "AuthMediaError": "Nie udało się wczytać tego pliku.",
    ...         "MediaNotFound": "Tego pliku nie ma już na serwerze.",
    ...         "RateLimited": {
    ...             "one": "Serwer prosi o {seconds} sekundę przerwy.",
    ...             "few": "Serwer prosi o {seconds} sekundy przerwy.",
    ...             "many": "Serwer prosi o {seconds} sekund przerwy.",
    ...             "other": "Serwer prosi o {seconds} sekundy przerwy.",
    ...             "none": "Serwer prosi o chwilę przerwy.",
    ...         },
    ...     },
    ...     retry="Spróbuj ponownie",
    ...     lang="pl",
    ... )
    >>> binder = bind(document_element(), loader, messages=polish)

    :param errors: a text for each class of `authmedia.errors`, by name or by the class itself. An error without one
        has that of the class it is derived from, in the end that of ``AuthMediaError``, which must be there. In place
        of a text, a dictionary of texts by plural category, where ``{seconds}`` stands for how long the server asked
        to wait; it has ``other``, and ``none`` for an error that names no time. In the text of ``FormatUnsupported``,
        ``{format}`` stands for the format's name.
    :param retry: the text of the button that loads again.
    :param retry_label: the button's name for assistive technology where the element has a ``{label}``.
    :param save: the text of the button that saves a file that the browser cannot show; empty for no such button.
    :param load_original: the text of the button that loads a media of which there is no thumbnail; empty for ``retry``.
    :param waiting: what follows an error's text while an element waits for the network.
    :param waiting_for: what follows an element while its homeserver waits for ``{server}``, where the media is from;
        empty for nothing.
    :param lang: the language tag of all texts, which decides on plural categories and digits.
    :param dir: the direction of all texts: ``ltr``, ``rtl`` or ``auto``.
    :param show: where there is a `MediaPolicy`, the text of the button of an element that is held back, by its kind,
        ``image``, ``video`` and ``audio``: two texts, without and with ``{size}``.
    :raises ValueError: if one is not allowed.
    """

    OPTION = "messages"
    __slots__ = (
        "_errors",
        "_retry_label",
        "_show",
        "dir",
        "lang",
        "load_original",
        "retry",
        "save",
        "waiting",
        "waiting_for",
    )

    def __init__(
        self,
        errors: "dict[str | type[AuthMediaError], str | dict[str, str]]",
        *,
        retry: str,
        lang: str,
        retry_label: str = "{retry}: {label}",
        save: str = "",
        load_original: str = "",
        waiting: str = "",
        waiting_for: str = "",
        dir: str = "auto",
        show: "dict[str, tuple[str, str]] | None" = None,
        **unknown: "Never",
    ) -> None:
        reject_unknown("Messages", unknown, _OPTIONS)
        require(isinstance(errors, dict), "Messages", "errors", errors, "a dictionary by error class")
        _require_texts(True, retry=retry, retry_label=retry_label)
        _require_texts(False, save=save, load_original=load_original, waiting=waiting, waiting_for=waiting_for)
        require(_is_language_tag(lang), "Messages", "lang", lang, "a language tag, such as 'ar' or 'pt-BR'")
        require(dir in _DIRECTIONS, "Messages", "dir", dir, "one of " + ", ".join(_DIRECTIONS))
        self.retry = retry
        self.save = save
        self.load_original = load_original
        self.waiting = waiting
        self.waiting_for = waiting_for
        self.lang = lang
        self.dir = dir
        self._retry_label = retry_label
        self._show = _checked_show(show)
        self._errors = {error_class("Messages", name): _checked(name, texts) for name, texts in errors.items()}
        require(
            AuthMediaError in self._errors,
            "Messages",
            "errors",
            list(errors),
            "a dictionary with a text for AuthMediaError",
        )

    def text(self, error: AuthMediaError) -> str:
        """Returns the text for an error."""
        best: type[AuthMediaError] = AuthMediaError
        for known in self._errors:
            if isinstance(error, known) and issubclass(known, best):
                best = known
        texts = self._errors[best]
        if isinstance(texts, str):
            return texts.replace(_FORMAT, getattr(error, "format", ""))
        if error.retry_after_s is None:
            return texts[_NO_NUMBER]
        seconds = max(1, -int(-error.retry_after_s // 1))
        text = texts.get(plural_category(self.lang, seconds), texts["other"])
        return text.replace(_SECONDS, format_number(self.lang, seconds))

    @property
    def has_show_texts(self) -> bool:
        """Whether there are texts for elements that are held back."""
        return bool(self._show)

    def show_text(self, kind: str, size: int | None) -> str:
        """Returns the text of the button that shows what is held back.

        :param kind: ``image``, ``video`` or ``audio``.
        :param size: in bytes; ``None`` or 0 where it is unknown.
        """
        without, with_size = self._show[kind]
        return with_size.replace(_SIZE, format_bytes(self.lang, size)) if size else without

    def retry_label(self, label: str, text: str = "") -> str:
        """Returns the name of a button of an element that has a label.

        :param text: the button's text, if it is another than ``retry``.
        """
        return self._retry_label.replace("{retry}", text or self.retry).replace("{label}", label)


def _require_texts(filled: bool, **texts: str) -> None:
    """Raises `ValueError` unless all are texts, and none is empty where ``filled``."""
    for name, text in texts.items():
        require(isinstance(text, str) and (bool(text) or not filled), "Messages", name, text, "a text")


def _checked(name: object, texts: "str | dict[str, str]") -> "str | dict[str, str]":
    """Returns the text or texts of an error.

    :raises ValueError: if they are neither, or incomplete.
    """
    option = f"the text of {name}"
    if not isinstance(texts, dict):
        numbered = "a dictionary by plural category, since it has {seconds}"
        require(isinstance(texts, str) and bool(texts), "Messages", option, texts, "a text, or a dictionary of texts")
        require(_SECONDS not in texts, "Messages", option, texts, numbered)
        return texts
    for category, text in texts.items():
        known = category in _CATEGORIES + (_NO_NUMBER,)
        require(known, "Messages", f"a key of {option}", category, "one of " + ", ".join(_CATEGORIES + (_NO_NUMBER,)))
        require(isinstance(text, str) and bool(text), "Messages", option, text, "a text")
    require(
        "other" in texts and _NO_NUMBER in texts,
        "Messages",
        option,
        list(texts),
        "a dictionary with 'other' and 'none'",
    )
    require(_SECONDS not in texts[_NO_NUMBER], "Messages", option, texts[_NO_NUMBER], "a text without {seconds}")
    return texts


def _checked_show(show: "dict[str, tuple[str, str]] | None") -> "dict[str, tuple[str, str]]":
    """Returns the texts of elements that are held back.

    :raises ValueError: if one is missing.
    """
    for kind in _KINDS if show is not None else ():
        texts = show.get(kind) if isinstance(show, dict) else None
        is_pair = isinstance(texts, (tuple, list)) and [isinstance(text, str) for text in texts] == [True, True]
        complete = is_pair and texts is not None and _SIZE not in texts[0] and _SIZE in texts[1]
        require(complete, "Messages", f"show[{kind!r}]", texts, "two texts, the second with {size}")
    return show or {}


def _is_language_tag(tag: object) -> bool:
    """Returns whether a text is a language, with a script, a region and extensions at most.

    Checked here, since MicroPython cannot catch what `Intl` throws at others. https://www.rfc-editor.org/rfc/rfc5646
    """
    if not isinstance(tag, str):
        return False
    parts = tag.lower().split("-")
    language = parts.pop(0)
    if not _consists_of(language, _LETTERS) or len(language) not in (2, 3, 5, 6, 7, 8):
        return False
    if parts and len(parts[0]) == 4 and _consists_of(parts[0], _LETTERS):
        parts.pop(0)
    if parts and ((len(parts[0]) == 2 and _consists_of(parts[0], _LETTERS)) or _is_region_number(parts[0])):
        parts.pop(0)
    if not parts:
        return True
    extension = parts[1:]
    return parts[0] == "u" and bool(extension) and all(_is_extension(part) for part in extension)


def _is_region_number(part: str) -> bool:
    return len(part) == 3 and _consists_of(part, _DIGITS)


def _is_extension(part: str) -> bool:
    return 2 <= len(part) <= 8 and _consists_of(part, _LETTERS + _DIGITS)


def _consists_of(text: str, characters: str) -> bool:
    return all(character in characters for character in text)
