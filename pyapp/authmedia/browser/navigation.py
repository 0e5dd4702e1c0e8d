"""Leaving the page for another one, and coming back."""

from authmedia.browser.javascript import ffi, window


def navigate(url: str) -> None:
    """Leaves the page for a URL. https://developer.mozilla.org/docs/Web/API/Location/assign"""
    window.location.assign(url)


def page_url_with(name: str, value: str) -> str:
    """Returns the page's URL with its query, without a fragment, and with a parameter more if that has a name."""
    url = window.URL.new(window.location.href)
    if name:
        url.searchParams.set(name, value)
    url.hash = ""
    return str(url.href)


def take_fragment_parameters(names: "tuple[str, ...]") -> dict[str, str]:
    """Returns parameters of the page's fragment, empty where they are missing, and removes it from the tab's history.

    https://developer.mozilla.org/docs/Web/API/History/replaceState
    """
    url = window.URL.new(window.location.href)
    parameters = window.URLSearchParams.new(str(url.hash)[1:])
    url.hash = ""
    window.history.replaceState(None, "", url.href)
    values = [(name, parameters.get(name)) for name in names]
    return {name: "" if ffi.is_none(value) else str(value) for name, value in values}
