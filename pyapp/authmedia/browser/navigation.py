"""Leaving the page for another one."""

from authmedia.browser.javascript import window


def navigate(url: str) -> None:
    """Leaves the page for a URL. https://developer.mozilla.org/docs/Web/API/Location/assign"""
    window.location.assign(url)
