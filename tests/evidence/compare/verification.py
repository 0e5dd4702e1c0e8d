"""Verifies that media are shown by their pixels, their position and their duration, not by the absence of errors."""

import time
from typing import Any

from PIL import Image
from playwright.sync_api import Error as PlaywrightError
from selenium.common.exceptions import WebDriverException

from development.sample_media import video
from development.sample_media.catalogue import Sample
from tests.browser import pixels
from tests.browser.site_tab import SEEK
from tests.evidence.compare.results import FAILS, MEDIA, NOT_RUN, WORKS, Cell, Setting
from tests.evidence.compare.tabs import Tab, words_of

# Number of media compared by pixels per kind; the state of all is checked.
_LOOKED_AT = 3
_PAINTED_S = 3.0
# Without range requests a video is seekable once it is loaded completely, which takes some browsers longer.
_ARRIVED_S = 20.0
_NEAR_S = 0.1
_AGAIN_S = 0.2
# Seeks in a video that has arrived as a whole, or that the browser never seeks in: more of them change nothing.
_SEEKS = 3
_CHANGES_NO_MORE = """(selector) => {
  const { buffered, duration, readyState, seekable } = document.querySelector(selector);
  const end = (ranges) => (ranges.length ? ranges.end(ranges.length - 1) : 0);
  const hasEnough = readyState === HTMLMediaElement.HAVE_ENOUGH_DATA;
  return hasEnough && (end(buffered) >= duration - 0.2 || end(seekable) === 0);
}"""
# What `boot.js` says where no Python runs.
_NO_PYTHON = "WebAssembly is missing"
_ELEMENTS = """() => [...document.querySelectorAll("#timeline [data-mxc]")].map((element) => ({
  tag: element.localName, duration: element.duration, encrypted: element.closest(".encrypted") !== null,
  ...element.dataset }))"""
# Scrolls the first element into the middle of the viewport; resolves to the boxes of all elements that are in the
# viewport with it, by selector, once they are painted.
_INTO_VIEW = """(selectors) => new Promise((resolve) => {
  const elements = selectors.map((selector) => document.querySelector(selector));
  elements[0].scrollIntoView({ block: "center" });
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const boxes = elements.map((element) => element.getBoundingClientRect());
    const seen = selectors.map((selector, index) => [selector, boxes[index]]).filter(
      ([, { top, bottom }], index) => index === 0 || (top >= 0 && bottom <= innerHeight));
    resolve(seen.map(([selector, { x, y, width, height }]) => [selector, [x, y, width, height]]));
  }));
})"""
_SELECTORS = {
    "thumbnail": "#timeline img[data-width]",
    "image": "#timeline figure:not(.encrypted) .open-picture img:not([data-width])",
    "video": "#timeline video",
    "audio": "#timeline audio",
    "encrypted": "#timeline .encrypted img",
}


def verify_media(tab: Tab, setting: Setting, report: dict[str, Any], samples: dict[str, Sample]) -> list[Cell]:
    """Returns a cell for each kind of media on a page that is done or failed."""
    refusal = _refusal(setting, report)
    if refusal:
        return [Cell(setting, media, *refusal) for media in MEDIA]
    elements = tab.evaluate(_ELEMENTS)
    cells = []
    for media, selector in _SELECTORS.items():
        wrong = _first_failure(report, media) or _looked_at(tab, media, selector, elements, samples)
        cells.append(Cell(setting, media, FAILS if wrong else WORKS, wrong))
    return cells


def not_run_cells(setting: Setting, words: str) -> list[Cell]:
    """Returns the cells of a setting that could not be run."""
    return [Cell(setting, media, NOT_RUN, words) for media in MEDIA]


def failed_cells(setting: Setting, words: str) -> list[Cell]:
    """Returns the cells of a page that did not settle."""
    return [Cell(setting, media, FAILS, words) for media in MEDIA]


def _refusal(setting: Setting, report: dict[str, Any]) -> tuple[str, str] | None:
    support = report.get("support", {}).get(setting.strategy, {"works": False, "words": report.get("problem", "")})
    if support["works"]:
        return None
    if support["words"].startswith(_NO_PYTHON):  # which says nothing of the strategy
        return NOT_RUN, support["words"]
    if setting.strategy == "blocking" and setting.interpreter == "micropython":
        return NOT_RUN, support["words"]
    return FAILS, support["words"]


def _first_failure(report: dict[str, Any], media: str) -> str:
    for entry in report["media"]:
        if _kind(entry["key"], entry["kind"]) == media and entry["state"] != "shown":
            return str(entry["words"])
    return ""


def _kind(key: str, kind: str) -> str:
    if "#" in key:
        return "encrypted"
    return "thumbnail" if "?width=" in key else kind


def _looked_at(tab: Tab, media: str, selector: str, elements: list[dict[str, Any]], samples: dict[str, Sample]) -> str:
    """Returns what is wrong with media of a kind; an error of a script counts for this kind alone."""
    try:
        return _first_difference(tab, media, selector, elements, samples)
    except (PlaywrightError, WebDriverException) as error:
        return words_of(error)


def _first_difference(
    tab: Tab, media: str, selector: str, elements: list[dict[str, Any]], samples: dict[str, Sample]
) -> str:
    if media == "audio":
        return _wrong_length(elements, samples)
    if media == "video":
        return _wrong_frame(tab, selector)
    pictures = [element for element in elements if element["tag"] == "img"]
    tags = [element for element in pictures if _form(element) == media]
    mxcs = list(dict.fromkeys(element["mxc"] for element in tags))[:_LOOKED_AT]
    if not mxcs:
        return "the room has none"
    originals = {}
    for mxc in mxcs:
        element = next(element for element in tags if element["mxc"] == mxc)
        size = pixels.requested_thumbnail(element)
        originals[f'{selector}[data-mxc="{mxc}"]'] = pixels.frames(samples[mxc].path, size)
    different = _first_different(tab, originals)
    if not different:
        return ""
    mxc = mxcs[list(originals).index(different[0])]
    return f"{samples[mxc].name} does not look as it should (difference {different[1]:.0f} of 255)"


def _form(picture: dict[str, Any]) -> str:
    if picture["encrypted"]:
        return "encrypted"
    return "thumbnail" if "width" in picture else "image"


def _first_different(tab: Tab, originals: dict[str, list[Image.Image]]) -> tuple[str, float] | None:
    """Returns the selector of an element that does not come to look like its original, and how far it is from it.

    A browser may still be scrolling when it says that elements are painted. Elements that are in the viewport together
    share a screenshot.
    """
    left = dict(originals)
    deadline = time.monotonic() + _PAINTED_S
    while left:
        first = next(iter(left))
        boxes = dict(tab.evaluate(_INTO_VIEW, list(left)))
        screenshot = tab.screenshot()
        distances = {selector: pixels.nearest(screenshot, box, left[selector]) for selector, box in boxes.items()}
        left = {name: frames for name, frames in left.items() if distances.get(name, 255) >= pixels.MAX_DIFFERENCE}
        if first not in left:
            deadline = time.monotonic() + _PAINTED_S
        elif time.monotonic() > deadline:
            return first, distances[first]
    return None


def _wrong_length(elements: list[dict[str, Any]], samples: dict[str, Sample]) -> str:
    for element in elements:
        if element["tag"] == "audio":
            right = samples[element["mxc"]].duration_ms / 1000
            if abs((element["duration"] or 0) - right) > 0.3:
                return f"the audio lasts {element['duration']} s instead of {right} s"
    return ""


def _sought(tab: Tab, selector: str, target: float) -> float:
    """Where a video stands after seeking; where nothing answers ranges, that is once the browser has all of it.

    A video that fails meanwhile, as in Firefox 153 through a worker with ranges, is sought again: the page loads it
    again.
    """
    deadline, tries = time.monotonic() + _ARRIVED_S, 0
    while True:
        tries += bool(tab.evaluate(_CHANGES_NO_MORE, selector))
        try:
            position = float(tab.evaluate(SEEK, [selector, target]))
        except (PlaywrightError, WebDriverException):
            if time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
            continue
        if abs(position - target) < _NEAR_S or tries >= _SEEKS or time.monotonic() > deadline:
            return position


def _wrong_frame(tab: Tab, selector: str) -> str:
    middle = video.SECONDS / 2
    position = _sought(tab, selector, middle)
    if abs(position - middle) > _NEAR_S:
        return f"sought to {middle} s, the video stands at {position} s"
    different = _first_different(tab, {selector: [pixels.downsample(video.draw_frame(middle))]})
    return f"the video's middle does not look as it should ({different[1]:.0f} of 255)" if different else ""
