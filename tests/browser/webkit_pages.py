"""The site's pages in WebKitGTK, which Selenium drives, with the operations that other tests have in `SiteTab`."""

from urllib.parse import urlencode

from tests.browser.binding_harness import ADD, ARE_IN_STATE, arguments_to_add
from tests.evidence.compare.webkit import WebKitTab
from tests.homeserver.support import wait_for

_STATE = "() => document.documentElement.dataset.state ?? ''"
_WORDS = "() => document.querySelector('.media-failed')?.textContent ?? ''"
_PROBLEM = "() => document.querySelector('#problem')?.textContent ?? ''"


def open_page(tab: WebKitTab, site: str, name: str, **query: str) -> None:
    """Opens a page of the site and waits until it is done."""
    tab.open(f"{site.rstrip('/')}/{name}.html?{urlencode(query)}")
    wait_for(lambda: tab.evaluate(_STATE) in ("done", "failed"), 60, "the page")
    assert tab.evaluate(_STATE) == "done", tab.evaluate(_PROBLEM)


def open_binding(tab: WebKitTab, site: str, **query: str) -> None:
    """Opens the page ``binding`` of a site that `binding_site` has built."""
    open_page(tab, site, "binding", **query)


def add_to_webkit(tab: WebKitTab, mxcs: list[str], tag: str = "img", gap: int = 0, **attributes: str) -> None:
    """Adds an element for each ``mxc://`` URI to the document, as `add_elements` does."""
    tab.evaluate(ADD, arguments_to_add(mxcs, tag, gap, attributes))


def wait_for_webkit(tab: WebKitTab, selector: str, state: str = "shown", count: int | None = None) -> None:
    """Waits until all elements of a selector, or ``count`` of them, are in a state."""
    wait_for(lambda: tab.evaluate(ARE_IN_STATE, [selector, state, count]), 30, f"{selector} {state}")


def failure_words(tab: WebKitTab) -> str:
    """Returns what the user reads in the place of the first media that failed, buttons included; empty if none did."""
    return str(tab.evaluate(_WORDS))
