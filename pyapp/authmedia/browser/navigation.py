"""Leaving the page for another one, and coming back."""

from authmedia.browser.javascript import window


def navigate(url: str) -> None:
    """Leaves the page for a URL. https://developer.mozilla.org/docs/Web/API/Location/assign"""
    window.location.assign(url)


def page_url_with(name: str, value: str) -> str:
    """Returns the page's URL with its query, a parameter more and without a fragment."""
    url = window.URL.new(window.location.href)
    url.searchParams.set(name, value)
    url.hash = ""
    return str(url.href)
