"""Pages whose own Content-Security-Policy forbids links, object URLs or requests: said so, and `auto` avoids them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.binding_harness import BindingHarness, MediaSet, add_elements, press, wait_for_state
from tests.browser.site_tab import SiteTab
from tests.browser.webkit_pages import add_to_webkit, open_binding, wait_for_webkit
from tests.evidence.compare.webkit import WebKitTab
from web.demonstration import Demonstration

PAIRS = (("chromium", "micropython"),)
STRATEGIES_IN = {"chromium": ("link", "blob", "auto")}
WORDS = "The rules of this page do not let it show media from this server."
DAMAGED = "This file is damaged, or not of the kind that it claims to be."
NO_LINKS = "img-src 'self' blob: data:; media-src 'self' blob:"
NO_OBJECT_URLS = "img-src 'self' data: http://localhost:*; media-src 'self' http://localhost:*"
NO_REQUESTS = "connect-src 'self' blob:"
# Adds a policy to the page's own; it counts from now on.
FORBID = """(policy) => document.head.append(Object.assign(document.createElement("meta"),
  { httpEquiv: "Content-Security-Policy", content: policy }))"""
# Violates the policy over and over, as a part of the page does that has nothing to do with media.
VIOLATE = """() => setInterval(() => { new Image().src = `https://elsewhere.invalid/${Math.random()}`; }, 5)"""
READ_WORDS = "() => [...document.querySelectorAll('.media-failed')].map((view) => view.firstChild.textContent)"
THUMBNAIL = {"data_width": "32", "data_height": "24"}

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def media_set(demonstration: Demonstration) -> Iterator[MediaSet]:
    media_set = MediaSet(demonstration.synapse, "policies", 2)
    yield media_set
    media_set.room.close()


def open_forbidding(harness: BindingHarness, interpreter: str, strategy: str, policy: str) -> SiteTab:
    tab = harness.open(strategy, near="1000000", interpreter=interpreter)
    tab.page.evaluate(FORBID, policy)
    return tab


def read_words(tab: SiteTab) -> set[str]:
    return set(tab.page.evaluate(READ_WORDS))


@pytest.mark.parametrize(
    ("strategy", "policy", "directive"),
    [
        ("link", NO_LINKS, "img-src"),
        ("blob", NO_OBJECT_URLS, "img-src"),
        ("auto", NO_REQUESTS, "connect-src"),
        pytest.param("opfs", NO_OBJECT_URLS, "img-src", marks=[pytest.mark.full_matrix, pytest.mark.on_disk]),
        pytest.param("bundle", NO_OBJECT_URLS, "img-src", marks=pytest.mark.full_matrix),
        pytest.param("delegated", NO_LINKS, "img-src", marks=pytest.mark.full_matrix),
        pytest.param("link", NO_REQUESTS, "connect-src", marks=pytest.mark.full_matrix),
        pytest.param("blob", NO_REQUESTS, "connect-src", marks=pytest.mark.full_matrix),
    ],
    ids=lambda value: value.split()[0],
)
def test_what_the_policy_forbids_says_so(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, strategy: str, policy: str, directive: str
) -> None:
    tab = open_forbidding(harness, interpreter, strategy, policy)
    film = media_set.upload_file("film.mp4")
    add_elements(tab, media_set.pictures[:1], **THUMBNAIL)
    add_elements(tab, [film], "video", preload="auto")
    wait_for_state(tab, "[data-mxc]", "failed", 2)
    assert read_words(tab) == {WORDS}
    assert tab.page.locator(".media-failed").first.get_attribute("title").find(directive) > 0  # type: ignore[union-attr]
    if policy == NO_REQUESTS:
        press(tab, "#count")
        tab.page.wait_for_selector("html[data-counted]", state="attached")
        assert tab.report["counters"][0]["retried"] == 0


@pytest.mark.full_matrix
@pytest.mark.parametrize(
    ("strategy", "policy"),
    [("link", NO_LINKS), ("blob", NO_OBJECT_URLS), ("link", NO_REQUESTS), ("blob", NO_REQUESTS)],
    ids=lambda value: value.split()[0],
)
def test_what_the_policy_forbids_says_so_in_webkit(
    webkit_tab: WebKitTab,
    site_for: Callable[..., str],
    binding_site: Path,
    media_set: MediaSet,
    strategy: str,
    policy: str,
) -> None:
    open_binding(webkit_tab, site_for(media_set.room.account, binding_site), strategy=strategy, near="1000000")
    webkit_tab.evaluate(FORBID, policy)
    add_to_webkit(webkit_tab, media_set.pictures, **THUMBNAIL)
    wait_for_webkit(webkit_tab, "[data-mxc]", "failed", 2)
    assert webkit_tab.evaluate(READ_WORDS) == [WORDS] * 2


@pytest.mark.parametrize(("policy", "scheme"), [(NO_LINKS, "blob:"), (NO_OBJECT_URLS, "http:")])
def test_auto_avoids_what_the_policy_forbids(
    harness: BindingHarness, media_set: MediaSet, interpreter: str, policy: str, scheme: str
) -> None:
    tab = open_forbidding(harness, interpreter, "auto", policy)
    add_elements(tab, media_set.pictures[:1], **THUMBNAIL)
    add_elements(tab, [media_set.upload_file("film.mp4")], "video", preload="auto")
    wait_for_state(tab, "[data-mxc]")
    assert {str(src).partition("localhost")[0][: len(scheme)] for src in sources(tab)} == {scheme}


def sources(tab: SiteTab) -> list[str]:
    found: list[str] = tab.page.eval_on_selector_all("[data-mxc]", "(all) => all.map(({ src }) => src)")
    return found


def test_a_violation_of_another_part_of_the_page_is_none_of_a_media(
    harness: BindingHarness, media_set: MediaSet, interpreter: str
) -> None:
    tab = open_forbidding(harness, interpreter, "link", NO_OBJECT_URLS)
    tab.page.evaluate(VIOLATE)
    add_elements(tab, [media_set.upload(b"no picture at all", "image/png")])
    wait_for_state(tab, "[data-mxc]", "failed")
    assert read_words(tab) == {DAMAGED}
