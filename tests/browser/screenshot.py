"""Takes the pictures of README and documentation, light and dark: ``python -m tests.browser.screenshot``."""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import BrowserContext, sync_playwright

from tests.browser.engines import CHROMIUM, launch_browser, set_up_browsers
from tests.relay import free_port
from web.demonstration import Demonstration
from web.site import WEB

STATE = WEB.parent / ".state" / "comparison"
PICTURES = {"light": WEB / "media" / "screenshot.png", "dark": WEB / "media" / "screenshot-dark.png"}
_SIZE = {"width": 1280, "height": 700}
_DONE = "document.documentElement.dataset.state === 'done'"
# Shows the picture of the ridge with what was written before it.
_SCROLL = """() => {
  const picture = document.querySelector('#timeline figure img[alt*="idge"], #timeline figure .open-picture img');
  picture.closest("figure").scrollIntoView({ block: "end" });
}"""


def take(context: BrowserContext, site: str, scheme: str) -> Image.Image:
    """Returns a picture of the page of `link`.

    :param scheme: ``light`` or ``dark``.
    """
    page = context.new_page()
    page.set_viewport_size(_SIZE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.goto(f"{site}link.html")
    page.wait_for_function(_DONE)
    page.evaluate(_SCROLL)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    return picture


def main() -> int:
    """Takes all pictures; returns the exit status."""
    set_up_browsers()
    with (
        Demonstration(STATE, 0, free_port()).running() as site,
        sync_playwright() as playwright,
        launch_browser(CHROMIUM, playwright) as context,
    ):
        for scheme, path in PICTURES.items():
            take(context, site, scheme).save(path, optimize=True)
            print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
