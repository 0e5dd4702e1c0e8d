"""What a page of another origin in the same browser can do with URLs of media."""

import pytest

from tests.browser.site_tab import SiteTab
from tests.conftest import OpenTab

# All attempts of a page with a URL: to read it with and without cookies, to show it and to read its pixels.
ATTEMPTS = """async (address) => {
  const read = (credentials) =>
    fetch(address, { credentials }).then((response) => `HTTP ${response.status}`, (error) => error.name);
  const show = (crossOrigin) => new Promise((resolve) => {
    const image = new Image();
    image.crossOrigin = crossOrigin;
    image.onload = () => resolve(image);
    image.onerror = () => resolve(null);
    image.src = address;
  });
  const look = (image) => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.drawImage(image, 0, 0);
    try { return String(pen.getImageData(0, 0, 1, 1).data); } catch (error) { return error.name; }
  };
  const plain = await show(null);
  return {
    "read with cookies": await read("include"),
    "read without": await read("omit"),
    "shown with cookies, to be looked at": Boolean(await show("use-credentials")),
    "shown without, to be looked at": Boolean(await show("anonymous")),
    "pixels of what is shown plainly": plain ? look(plain) : "nothing is shown",
  };
}"""
MINT = """(address) => fetch(address, { method: "POST", credentials: "include", body: '{"media": []}' }).then(
  (response) => `HTTP ${response.status}`, (error) => error.name)"""


def elsewhere(tab: SiteTab) -> SiteTab:
    """Opens a document without a content security policy in the tab, on its own origin."""
    tab.page.goto(f"{tab.origin}/file-writer.js")
    return tab


@pytest.mark.by_default("chromium")
def test_what_a_cookie_opens_is_read_by_no_other_origin(open_tab: OpenTab) -> None:
    mine, theirs = open_tab(), elsewhere(open_tab())
    mine.open("cookie")
    assert mine.state == "done", mine.page.locator("#problem").inner_text()
    address = next(url for url in mine.requests if "/media/cookie/" in url and "/picture?" not in url)
    found = theirs.page.evaluate(ATTEMPTS, address)
    # That it can be shown where cookies go along with it, as on any page, is what the README says of this baseline.
    assert found.pop("pixels of what is shown plainly") in ("SecurityError", "nothing is shown")
    assert found == {
        "read with cookies": "TypeError",
        "read without": "HTTP 401",
        "shown with cookies, to be looked at": False,
        "shown without, to be looked at": False,
    }
    links = address.partition("/media/cookie/")[0] + "/media/links"
    assert theirs.page.evaluate(MINT, links) == "TypeError", "a cookie mints no links"


@pytest.mark.by_default("chromium")
def test_media_and_links_are_for_whoever_has_a_header(open_tab: OpenTab) -> None:
    mine, theirs = open_tab(), elsewhere(open_tab())
    mine.open("blob")
    assert mine.state == "done", mine.page.locator("#problem").inner_text()
    address = next(url for url in mine.requests if "/_matrix/client/v1/media/" in url)
    assert set(theirs.page.evaluate(ATTEMPTS, address).values()) == {"TypeError", "HTTP 401", False, "nothing is shown"}
