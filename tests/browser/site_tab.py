"""A browser tab with a page of the site: a page object that records requests and console messages."""

import itertools
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from playwright.sync_api import BrowserContext, Page

_SETTLED = "['done', 'failed'].includes(document.documentElement.dataset.state)"
# Computes the SHA-256 of the bytes at an element's source URL.
BYTES_HASH = """async (element) => {
  const body = await (await fetch(element.currentSrc || element.src)).arrayBuffer();
  const digest = await crypto.subtle.digest("SHA-256", body);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}"""

# Seeks a video; resolves to the position reached, once its frame is painted.
SEEK = """([selector, position]) => new Promise((resolve, reject) => {
  const video = document.querySelector(selector);
  const fail = () => reject(new Error(`MediaError ${video.error.code} ${video.error.message}`.trim()));
  if (video.error) {
    fail();
    return;
  }
  video.controls = false;
  video.scrollIntoView();
  video.onerror = fail;
  video.onseeked = () => requestAnimationFrame(() => requestAnimationFrame(() => resolve(video.currentTime)));
  video.currentTime = position;
})"""

# Reads attributes and boxes of all media elements of the timeline, in page coordinates, and the words in their place.
MEDIA_ELEMENTS = """() => [...document.querySelectorAll("#timeline [data-mxc]")].map((element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  const words = (element.closest("button") ?? element).nextElementSibling;
  return { tag: element.localName, ...element.dataset, src: element.src,
    box: [x + scrollX, y + scrollY, width, height],
    words: words?.classList.contains("media-failed") ? words.firstChild.textContent : "" };
})"""

_numbers = itertools.count(1)


class SiteTab:
    """A tab on its own origin, so that tabs share no storage.

    :param site: URL of the site on ``localhost``; ``*.localhost`` resolves to the same address.
    :param origin: the origin of another tab, to share it.
    """

    def __init__(self, context: BrowserContext, site: str, origin: str = "") -> None:
        self.page: Page = context.new_page()
        self.origin = origin or site.rstrip("/").replace("//localhost", f"//w{next(_numbers)}.localhost")
        self.requests: list[str] = []
        self.console_messages: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.console_messages.append(message.text))
        self.page.on("pageerror", lambda error: self.console_messages.append(str(error)))

    def open(self, name: str, **query: str) -> None:
        """Opens a page of the site and waits until it is done or failed."""
        parameters = f"?{urlencode(query)}" if query else ""
        self.page.goto(f"{self.origin}/{name}.html{parameters}")
        self.wait_until_settled()

    def wait_until_settled(self, timeout_s: float = 60) -> None:
        """Waits until the page is done or failed."""
        self.page.wait_for_function(_SETTLED, timeout=timeout_s * 1000)

    def reload(self) -> None:
        """Reloads the page and waits until it is done or failed."""
        self.page.reload()
        self.wait_until_settled()

    def click_and_settle(self, selector: str) -> None:
        """Clicks a button that starts work of the page, and waits until that is done or failed."""
        self.page.eval_on_selector("html", "(html) => { html.dataset.state = 'pressed'; }")
        self.page.click(selector)
        self.wait_until_settled()

    @property
    def state(self) -> str:
        """The page's ``data-state``."""
        return self.page.locator("html").get_attribute("data-state") or ""

    @property
    def report(self) -> dict[str, Any]:
        """The page's report."""
        return dict(json.loads(self.page.locator("#report").text_content() or "{}"))

    @property
    def media(self) -> list[dict[str, Any]]:
        """The media of the page's report."""
        return list(self.report["media"])

    def media_elements(self) -> list[dict[str, Any]]:
        """Returns attributes and boxes of all media elements of the timeline, in page coordinates."""
        return list(self.page.evaluate(MEDIA_ELEMENTS))

    def sha256(self, selector: str) -> str:
        """Returns the SHA-256 of the bytes at an element's source URL, computed in the page."""
        return str(self.page.eval_on_selector(selector, BYTES_HASH))

    def requested_origins(self) -> set[str]:
        """Returns the origins of all requests but those to ``blob:``, ``data:`` and ``about:`` URLs."""
        asked = {urlsplit(url) for url in self.requests}
        return {f"{parts.scheme}://{parts.netloc}" for parts in asked if parts.scheme not in ("blob", "data", "about")}

    def access_token(self) -> str:
        """Returns the access token from the tab's session storage."""
        stored = self.page.evaluate("() => sessionStorage.getItem('authmedia.session')")
        return str(json.loads(stored)["access_token"])

    def end_session(self, homeserver: str) -> None:
        """Logs the page's session out on its homeserver, as from another device."""
        headers = {"Authorization": f"Bearer {self.access_token()}"}
        assert httpx.post(homeserver + "/_matrix/client/v3/logout", headers=headers, json={}).status_code == 200

    def limit_storage(self, kilobytes: int) -> None:
        """Limits the origin's storage in Chromium; Firefox is started with a limit (`with_storage_limit`)."""
        if "Chrome" in self.page.evaluate("navigator.userAgent"):
            quota = {"origin": self.origin, "quotaSize": kilobytes * 1024}
            self.page.context.new_cdp_session(self.page).send("Storage.overrideQuotaForOrigin", quota)

    def close(self) -> None:
        """Closes the tab."""
        self.page.close()
