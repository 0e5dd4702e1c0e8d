"""What an application can decide: placeholder, failure view, language, limits, hooks, prefetch and persistence."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.binding_harness import BindingHarness, MediaSet, wait_for_state
from tests.browser.page_builder import build_site_with_page
from tests.browser.site_tab import SiteTab
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration

PAIRS = (("chromium", "pyodide"), ("firefox-private", "micropython"))
TRANSFERS = 2
FIVE_SECONDS = "الانتظار \u0665 ثوانٍ"
ADD = """([place, mxcs, label]) => {
  for (const mxc of mxcs) {
    const image = document.createElement("img");
    Object.assign(image, { alt: label }).dataset.mxc = mxc;
    document.querySelector(place).append(image);
  }
}"""
# All that an element and what follows it show or say, but the names of its states.
WORDS = """(image) => {
  const view = image.nextElementSibling;
  const said = (element) => [...element.attributes]
    .filter(({ name }) => ["title", "aria-label", "alt", "data-reason"].includes(name)).map(({ value }) => value);
  return [view, ...view.querySelectorAll("*"), image].flatMap(said).concat(view.textContent);
}"""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def binding_site(state: Path, demonstration: Demonstration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In place of the page ``binding``, one with options of its own."""
    return build_site_with_page(state / "site", tmp_path_factory.mktemp("options") / "site", "options")


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "options", 16)
    yield media_set
    media_set.room.close()


def press(tab: SiteTab, name: str) -> None:
    """Presses a button of the page, and waits for its report."""
    tab.page.eval_on_selector("html", "(html) => { delete html.dataset.written; }")
    tab.page.eval_on_selector(f"#do-{name}", "(button) => button.click()")
    tab.page.wait_for_selector("html[data-written]", state="attached")


def test_an_application_decides(harness: BindingHarness, media_set: MediaSet, interpreter: str, tmp_path: Path) -> None:
    tab = harness.open("blob", page="options", interpreter=interpreter)
    downloads = lambda: harness.proxy.request_count("/download/")  # noqa: E731
    good, missing, busy, missing_plain = media_set.pictures[:4]
    names = {mxc: mxc.rpartition("/")[2] for mxc in media_set.pictures}

    # An own placeholder; two transfers at a time.
    harness.proxy.hold("/download/")
    tab.page.evaluate(ADD, ["#own", media_set.pictures[4:9], "Ana"])
    tab.page.wait_for_function("() => document.querySelectorAll('#own [data-own-placeholder]').length === 5")
    wait_for(lambda: downloads() == TRANSFERS, what="the first requests")
    harness.proxy.release_all()
    wait_for_state(tab, "#own img")
    assert tab.page.locator("[data-own-placeholder]").count() == 0
    assert max_in_flight(tab) == TRANSFERS

    # An own failure view, and that of the library, in Arabic.
    harness.proxy.refuse(names[missing])
    harness.proxy.refuse(names[missing_plain])
    harness.proxy.rate_limit_next(names[busy], 4.5)
    tab.page.evaluate(ADD, ["#own", [good, missing, busy], "قطة"])
    tab.page.evaluate(ADD, ["#plain", [missing_plain], "قطة"])
    for mxc in (missing, busy, missing_plain):
        wait_for_state(tab, f'img[data-mxc="{mxc}"]', "failed")
    card = tab.page.locator("#own .own-card").first
    assert card.inner_text().startswith("لم يعد هذا الملف موجودًا على الخادم.")
    assert card.evaluate("(card) => getComputedStyle(card).direction") == "rtl"
    assert tab.page.locator("#own :has(> .own-card)").first.get_attribute("lang") == "ar-EG"
    assert FIVE_SECONDS in tab.page.locator("#own .own-card").nth(1).inner_text()
    plain = tab.page.locator(f'img[data-mxc="{missing_plain}"]')
    view = tab.page.locator("#plain .media-failed")
    assert view.evaluate("(view) => getComputedStyle(view).direction") == "rtl"
    assert tab.page.get_by_role("button", name="حاول مرة أخرى: قطة").count() == 1
    for image in (plain, tab.page.locator(f'img[data-mxc="{missing}"]')):
        said = "".join(image.evaluate(WORDS))
        assert not [letter for letter in said if letter.isascii() and letter.isalpha()], said
    tab.page.screenshot(path=tmp_path / "failures.png", full_page=True)
    harness.proxy.release_all()
    card.get_by_role("button").click()
    wait_for_state(tab, f'img[data-mxc="{missing}"]')
    assert tab.sha256(f'img[data-mxc="{missing}"]') == media_set.sha256[missing]

    # Hooks, states and errors.
    tab.page.evaluate(ADD, ["#linked", [media_set.pictures[9]], "Ana"])
    wait_for_state(tab, "#linked img")
    press(tab, "report")
    report = tab.report
    sent = {exchange["url"].rpartition("/")[2]: exchange for exchange in report["exchanges"]}
    assert (sent[names[good]]["status"], sent[names[good]]["bytes"]) == (200, len_of(tab, good))
    assert sent[names[busy]]["status"] == 429
    (linked,) = [exchange for exchange in report["exchanges"] if exchange["initiator"] == "element"]
    assert linked["url"].endswith("/signed/" + media_set.pictures[9].removeprefix("mxc://"))
    assert (linked["status"], linked["ms"], linked["bytes"]) == (None, None, len_of(tab, media_set.pictures[9]))
    assert all(exchange["ms"] > 0 for exchange in report["exchanges"] if exchange is not linked)
    assert tab.access_token() not in str(report)
    assert report["states"].count([missing, "failed", "MediaNotFound"]) == 1
    assert [state for mxc, state, _ in report["states"] if mxc == missing] == ["loading", "failed", "loading", "shown"]
    assert report["refused"][0].startswith("open_loader has no option 'limit'; its options are: limits, retry, hooks")
    assert report["refused"][1].startswith("bind has no option 'near'; its options are: on_change")
    assert report["persistence"] is not None


@pytest.mark.by_default(interpreters=("micropython",))
def test_a_prefetch_is_paused_resumed_and_cancelled(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = harness.open("blob", page="options", interpreter=interpreter)
    wanted = media_set.pictures[:6]
    requested = lambda: [path.rpartition("/")[2] for path in harness.proxy.requested_paths if "/download/" in path]  # noqa: E731
    names = [mxc.rpartition("/")[2] for mxc in wanted]
    tab.page.evaluate("(mxcs) => { window.prefetched = mxcs; }", wanted)
    harness.proxy.hold("/download/")
    press(tab, "prefetch")
    wait_for(lambda: len(requested()) == TRANSFERS, what="the first two")
    press(tab, "pause")
    harness.proxy.release_all()
    tab.page.wait_for_function(
        """() => {
          document.getElementById("do-report").click();
          return JSON.parse(document.getElementById("report").textContent).prefetch[1] === 2;
        }"""
    )
    assert tab.report["prefetch"] == ["paused", 2, 4, []]
    # What is visible loads meanwhile, as it does before the rest of the prefetch.
    tab.page.evaluate(ADD, ["#own", [media_set.pictures[10]], "Ana"])
    wait_for_state(tab, "#own img")
    assert sorted(requested()) == sorted([*names[:2], media_set.pictures[10].rpartition("/")[2]])
    press(tab, "resume")
    tab.page.wait_for_selector("html[data-prefetch=done]", state="attached")
    assert tab.report["prefetch"] == ["done", 6, 0, []]
    tab.page.evaluate(ADD, ["#own", wanted, "Ana"])
    wait_for_state(tab, "#own img")
    assert tab.page.locator("#own img[data-source=memory]").count() == 6
    assert len(requested()) == 7

    # By each cache policy.
    tab.page.evaluate("(mxc) => { window.givenMxc = mxc; }", media_set.pictures[15])
    press(tab, "cache")
    tab.page.wait_for_function("() => JSON.parse(document.getElementById('report').textContent).cache")
    assert tab.report["cache"] == [
        ["only-if-cached", "", "NotCached"],
        ["default", "bundle", "network"],
        ["only-if-cached", "bundle", "memory"],
        ["no-store", "bundle", "network"],
        ["reload", "bundle", "network"],
        ["default", "bundle", "memory"],
    ]
    assert (harness.proxy.request_count("/bundle"), harness.proxy.request_count("/thumbnail/")) == (2, 1)

    # By links, into the browser's HTTP cache; cancelled on its way.
    tab.page.evaluate("(mxcs) => { window.prefetched = mxcs; }", media_set.pictures[11:15])
    harness.proxy.hold("/signed/")
    press(tab, "link")
    wait_for(lambda: harness.proxy.request_count("/signed/") == TRANSFERS, what="the links' bodies")
    press(tab, "cancel")
    tab.page.wait_for_selector("html[data-prefetch=cancelled]", state="attached")
    wait_for(lambda: harness.proxy.aborted == TRANSFERS, what="their end")
    harness.proxy.release_all()
    assert tab.report["prefetch"] == ["cancelled", 0, 0, []]
    assert harness.proxy.request_count("/signed/") == TRANSFERS
    press(tab, "report")
    bodies = [exchange for exchange in tab.report["exchanges"] if "/signed/" in exchange["url"]]
    assert [exchange["error"] for exchange in bodies] == ["AbortError"] * TRANSFERS
    assert not [exchange for exchange in bodies if "?" in exchange["url"]]


def max_in_flight(tab: SiteTab) -> int:
    """How many downloads the browser had on their way at a time, by its own timing."""
    return int(
        tab.page.evaluate(
            """() => {
              const all = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/download/"));
              const during = ({ startTime }) => all.filter((other) =>
                other.startTime <= startTime && other.responseEnd > startTime).length;
              return Math.max(...all.map(during));
            }"""
        )
    )


def len_of(tab: SiteTab, mxc: str) -> int:
    """The bytes of what an element shows."""
    return int(
        tab.page.eval_on_selector(
            f'img[data-mxc="{mxc}"]', "async (image) => (await (await fetch(image.src)).arrayBuffer()).byteLength"
        )
    )
