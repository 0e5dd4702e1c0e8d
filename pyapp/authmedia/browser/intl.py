"""Numbers in a language. https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Intl"""

from authmedia.browser.javascript import ffi, window

# Decimal units, from the largest, as operating systems and stores name sizes of files.
_UNITS = ((1e9, "gigabyte"), (1e6, "megabyte"), (1e3, "kilobyte"), (1, "byte"))


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


def format_bytes(language: str, size: int) -> str:
    """Formats a size with its unit, ``2 MB``, in a language.

    :param language: a valid language tag.
    """
    factor, unit = next(entry for entry in _UNITS if size >= entry[0] or entry[0] == 1)
    digits = 1 if unit in ("gigabyte", "megabyte") and size < 10 * factor else 0
    options = ffi.to_js({"style": "unit", "unit": unit, "maximumFractionDigits": digits})
    return str(window.Intl.NumberFormat.new(language, options).format(size / factor))
