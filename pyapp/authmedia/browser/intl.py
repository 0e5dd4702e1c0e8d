"""Numbers in a language. https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Intl"""

from authmedia.browser.javascript import window


def plural_category(language: str, number: int) -> str:
    """Returns the plural category of a number: ``zero``, ``one``, ``two``, ``few``, ``many`` or ``other``.

    https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Intl/PluralRules

    :param language: a valid language tag.
    """
    return str(window.Intl.PluralRules.new(language).select(number))


def format_number(language: str, number: int) -> str:
    """Formats a number with the digits and separators of a language.

    https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Intl/NumberFormat

    :param language: a valid language tag.
    """
    return str(window.Intl.NumberFormat.new(language).format(number))
