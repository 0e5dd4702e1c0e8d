"""Dates in HTTP headers. https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7"""

from authmedia import browser
from authmedia.support.untrusted import parse_digits

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def seconds_until(date: str) -> float | None:
    """Returns the seconds until a date by this device's clock, 0 for one in the past; ``None`` if it is none."""
    time_ms = epoch_ms_of(date)
    return None if time_ms is None else max(0.0, (time_ms - browser.epoch_ms()) / 1000)


def epoch_ms_of(date: str) -> int | None:
    """Parses a date such as ``Sun, 06 Nov 1994 08:49:37 GMT``; returns ``None`` for any other text.

    The two obsolete formats are not read: no server of today sends them.
    """
    parts = date.replace(":", " ").split()
    if len(parts) != 8 or parts[7] != "GMT" or parts[2] not in _MONTHS:
        return None
    numbers = [parse_digits(part) for part in (parts[3], parts[1], parts[4], parts[5], parts[6])]
    if None in numbers:
        return None
    year, day, hour, minute, second = [number or 0 for number in numbers]
    days = days_since_1970(year, _MONTHS.index(parts[2]) + 1, day)
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000


def days_since_1970(year: int, month: int, day: int) -> int:
    """Returns the days of a date in the Gregorian calendar, whose years are counted from March on here."""
    if month <= 2:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469
