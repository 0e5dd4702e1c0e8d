"""Elements that come, change and go in real browsers, on both interpreters: what the loader makes of them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from development.attachments import encrypt
from tests.browser.binding_fixture import MEDIA, Bench, Stock, add, as_json, bench, counters, wait_until
from tests.browser.engines import Mode
from tests.browser.matrix_room import picture
from tests.homeserver.support import wait_for
from web.demonstration import Demonstration

GAP = 700
# So many loads the pipeline lets through at a time, and of those so many a browser has on their way over HTTP/1.1.
TRANSFERS, CONNECTIONS = 16, 6
# Longer than what we would wait by ourselves.
WAIT_S = 1.5
# So often elements are put into the document and taken out again; the pictures repeat.
MOUNTS, FEWER_MOUNTS = 5000, 1500
MOUNT = """async ([mxcs, mounts]) => {
  const main = document.getElementById("elements");
  const frame = () => new Promise(requestAnimationFrame);
  for (let start = 0; start < mounts; start += 50) {
    const batch = [...Array(50).keys()].map((number) => {
      const image = document.createElement("img");
      image.dataset.mxc = mxcs[(start + number) % mxcs.length];
      return image;
    });
    main.append(...batch);
    await frame();
    for (const image of batch.slice(0, 25)) image.remove();
    await frame();
    for (const image of batch) image.remove();
  }
}"""

# Scrolls to an element; is done once the page has been told what people see now.
INTO_VIEW = """(selector) => new Promise((resolve) => {
  const element = document.querySelector(selector);
  const told = ([{ isIntersecting }]) => isIntersecting && requestAnimationFrame(() => resolve());
  new IntersectionObserver(told).observe(element);
  element.scrollIntoView({ block: "center" });
})"""

# Whoever waits for the better part of a minute or longer waits for half a second here.
IMPATIENT = """(() => {
  const real = window.setTimeout.bind(window);
  window.setTimeout = (work, ms, ...more) => real(work, ms >= 40_000 ? 500 : ms, ...more);
})()"""

PAIRS = (("chromium", "micropython"), ("firefox-private", "micropython"))

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def stock(demonstration: Demonstration) -> Iterator[Stock]:
    stock = Stock(demonstration.synapse, "elements", 40)
    yield stock
    stock.room.close()


@pytest.fixture
def one(bound_site: Path, browser: BrowserContext, demonstration: Demonstration, stock: Stock) -> Iterator[Bench]:
    with bench(bound_site, browser, demonstration.synapse, stock.room.account) as opened:
        yield opened


def test_what_comes_near_is_loaded_and_what_leaves_is_given_back(one: Bench, stock: Stock, interpreter: str) -> None:
    window = one.open("blob", near="100", interpreter=interpreter)
    window.page.set_viewport_size({"width": 800, "height": 600})
    add(window, stock.pictures[:20], gap=GAP)
    wait_until(window, "#elements > div:first-child > img")
    first = window.page.locator("img[data-mxc]").first
    assert window.sha256("img[data-mxc] >> nth=0") == stock.sha256[stock.pictures[0]]
    loaded = one.brake.asked_for("/download/")
    assert 1 <= loaded <= 2, "the others are far away"
    window.page.evaluate("() => document.querySelector('#elements > div:last-child > img').scrollIntoView()")
    wait_until(window, "#elements > div:last-child > img")
    assert one.brake.asked_for("/download/") <= 6, "what was scrolled past is not loaded"
    window.page.evaluate("() => { document.querySelector('img[data-mxc]').scrollIntoView(); }")
    first.evaluate("(image, mxc) => { image.dataset.mxc = mxc; }", stock.pictures[30])
    wait_until(window, f'img[data-mxc="{stock.pictures[30]}"]')
    assert window.sha256("img[data-mxc] >> nth=0") == stock.sha256[stock.pictures[30]]
    window.page.evaluate("() => document.getElementById('bound').replaceChildren()")
    window.page.wait_for_function(
        "() => JSON.parse(document.getElementById('report').textContent).counters[0].bound >= 0"
    )
    assert counters(window)["bound"] == 0
    window.page.click("#close")
    window.page.wait_for_selector("html[data-closed]", state="attached")
    assert window.report["urls"] == 0
    found = window.report["counters"][0]
    assert found["opened"] == found["released"]


@pytest.mark.by_default("chromium")
def test_a_slow_answer_for_the_old_media_never_appears(one: Bench, stock: Stock, interpreter: str) -> None:
    window = one.open("blob", interpreter=interpreter)
    slow, quick = stock.pictures[:2]
    one.brake.hold(slow.rpartition("/")[2])
    add(window, [slow])
    wait_for(lambda: one.brake.asked_for("/download/") == 1, what="the request for the slow one")
    window.page.eval_on_selector("img[data-mxc]", "(image, mxc) => { image.dataset.mxc = mxc; }", quick)
    wait_until(window, "img[data-mxc]")
    one.brake.let_go()
    add(window, [stock.pictures[2]])
    wait_until(window, "img[data-mxc]")
    assert window.sha256("img[data-mxc] >> nth=0") == stock.sha256[quick]
    assert counters(window)["aborted"] == 1


def test_taking_an_element_away_aborts_its_request(one: Bench, stock: Stock, interpreter: str) -> None:
    window = one.open("blob", interpreter=interpreter)
    one.brake.hold(stock.pictures[0].rpartition("/")[2])
    add(window, stock.pictures[:1] * 2)
    wait_for(lambda: one.brake.asked_for("/download/") == 1, what="the request")
    window.page.eval_on_selector("img[data-mxc]", "(image) => image.remove()")
    assert counters(window)["aborted"] == 0, "another element waits for it"
    window.page.eval_on_selector("img[data-mxc]", "(image) => image.remove()")
    wait_for(lambda: one.brake.given_up == 1, what="the end of the request")
    found = counters(window)
    assert (found["aborted"], found["coalesced"], found["opened"], found["urls"]) == (1, 1, 0, 0)


def test_its_place_is_kept_and_a_blurhash_stands_in_it_until_a_media_is_there(
    one: Bench, stock: Stock, interpreter: str
) -> None:
    window = one.open("blob", interpreter=interpreter)
    one.brake.hold("/download/")
    one.brake.hold("/thumbnail/")
    sized = {"data_width": "96", "data_height": "72", "data_method": "crop"}
    add(window, stock.pictures[:1], data_blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj", **sized)
    window.page.wait_for_function(
        "() => document.querySelector('img[data-mxc]').style.backgroundImage.startsWith('url(\"data:image/bmp')"
    )
    image = window.page.locator("img[data-mxc]")
    assert image.get_attribute("data-state") == "loading"
    before = image.bounding_box()
    one.brake.let_go()
    wait_until(window, "img[data-mxc]")
    assert image.bounding_box() == before
    assert before
    assert (before["width"], before["height"]) == (96, 72)
    assert image.evaluate("(image) => image.style.backgroundImage") == ""


@pytest.mark.by_default("chromium")
def test_what_people_see_goes_first(one: Bench, stock: Stock, interpreter: str) -> None:
    window = one.open("blob", near="100000", interpreter=interpreter)
    window.page.set_viewport_size({"width": 800, "height": 600})
    one.brake.hold("/download/")
    add(window, stock.pictures, gap=GAP)
    wait_for(lambda: one.brake.asked_for("/download/") == CONNECTIONS, what="the first requests")
    window.page.evaluate(INTO_VIEW, "#elements > div:last-child > img")  # while it waits already
    one.brake.let_go()
    wait_until(window, "img[data-mxc]")
    asked = [path for path in one.brake.asked if "/download/" in path]
    last = next(n for n, path in enumerate(asked) if path.endswith(stock.pictures[-1].rpartition("/")[2]))
    assert last < TRANSFERS + 4, "before those that stand above it"


@pytest.mark.by_default("chromium")
def test_links_of_one_turn_are_asked_for_together(one: Bench, stock: Stock, interpreter: str) -> None:
    window = one.open("link", interpreter=interpreter)
    before = one.brake.asked_for("/media/links")
    add(window, stock.pictures)
    wait_until(window, "img[data-mxc]")
    assert one.brake.asked_for("/media/links") == before + 1


@pytest.mark.by_default("chromium")
def test_thousands_of_mounts_leave_nothing_behind(
    one: Bench, stock: Stock, interpreter: str, pytestconfig: pytest.Config
) -> None:
    window = one.open("blob", interpreter=interpreter)
    mounts = MOUNTS if pytestconfig.getoption("--full-matrix") else FEWER_MOUNTS
    window.page.evaluate(MOUNT, [stock.pictures, mounts])
    add(window, stock.pictures[:3])
    wait_until(window, "img[data-mxc]")
    found = counters(window)
    assert found["bound"] == 3
    assert found["failed"] == 0, window.said
    assert found["urls"] == found["opened"] - found["released"] <= len(stock.pictures)
    assert found["opened"] < 2 * len(stock.pictures), "what was shown before is kept for a while"
    window.page.click("#close")
    window.page.wait_for_selector("html[data-closed]", state="attached")
    assert window.report["urls"] == 0


@pytest.mark.by_default("chromium")
def test_what_failed_is_tried_again_at_the_press_of_a_button(one: Bench, stock: Stock, interpreter: str) -> None:
    window = one.open("blob", interpreter=interpreter)
    one.brake.refuse(stock.pictures[5].rpartition("/")[2])
    add(window, [stock.pictures[5]])
    wait_until(window, "img[data-mxc]", "failed")
    assert window.page.locator(".media-failed").inner_text().startswith("This media is not on the server")
    one.brake.let_go()
    window.page.get_by_role("button", name="Try again").click()
    wait_until(window, "img[data-mxc]")
    assert window.page.locator(".media-failed").count() == 0
    assert window.sha256("img[data-mxc]") == stock.sha256[stock.pictures[5]]


@pytest.mark.by_default("chromium")
def test_a_server_that_asks_to_wait_is_given_the_time(one: Bench, stock: Stock, interpreter: str) -> None:
    window = one.open("blob", interpreter=interpreter)
    name = stock.pictures[6].rpartition("/")[2]
    one.brake.ask_to_wait(name, WAIT_S)
    add(window, [stock.pictures[6]])
    wait_until(window, "img[data-mxc]")
    first, second = one.brake.times(name)
    assert WAIT_S <= second - first < 2 * WAIT_S
    assert counters(window)["retried"] == 1


@pytest.mark.by_default("chromium")
def test_a_server_that_says_nothing_is_asked_again(one: Bench, stock: Stock, interpreter: str) -> None:
    window = one.open("blob", script=IMPATIENT, interpreter=interpreter)
    name = stock.pictures[4].rpartition("/")[2]
    one.brake.hold(name)
    add(window, [stock.pictures[4]])
    wait_for(lambda: one.brake.asked_for(name) > 1, what="the second request")
    one.brake.let_go()
    wait_until(window, "img[data-mxc]")
    assert window.sha256("img[data-mxc]") == stock.sha256[stock.pictures[4]]
    assert counters(window)["retried"] > 0


def test_a_large_body_tells_how_far_it_is(one: Bench, stock: Stock, interpreter: str, mode: Mode) -> None:
    film = stock.add_file("film.mp4")
    strategies = ["blob"] if mode.private else ["blob", "opfs"]
    for strategy in strategies:
        window = one.open(strategy, interpreter=interpreter)
        one.brake.bytes_per_s = 1_500_000
        add(window, [film], "video")
        window.page.wait_for_function(
            "() => { const p = Number(document.querySelector('video').dataset.progress); return p > 5 && p < 95; }"
        )
        one.brake.let_go()
        wait_until(window, "video")
        assert window.page.locator("video[data-progress]").count() == 0
        assert window.sha256("video") == stock.sha256[film]


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "opfs", "blob", "bundle"])
def test_encrypted_media_of_every_kind(
    bound_site: Path,
    browser: BrowserContext,
    demonstration: Demonstration,
    stock: Stock,
    interpreter: str,
    strategy: str,
) -> None:
    originals = {
        "img": (picture(77), "image/png"),
        "video": ((MEDIA / "film.mp4").read_bytes(), "video/mp4"),
        "audio": ((MEDIA / "tune.mp3").read_bytes(), "audio/mpeg"),
    }
    files, mxcs = [], {}
    for tag, (content, _) in originals.items():
        ciphertext, file = encrypt(content)
        mxcs[tag] = stock.room.upload(ciphertext, "application/octet-stream")
        files.append({**file, "url": mxcs[tag]})
    altered, file = encrypt(picture(78))
    wrong = stock.room.upload(altered[:-1] + bytes([altered[-1] ^ 1]), "application/octet-stream")
    files.append({**file, "url": wrong})
    told = {**stock.room.account, "files": as_json(files)}
    with bench(bound_site, browser, demonstration.synapse, told) as opened:
        window = opened.open(strategy, interpreter=interpreter)
        for number, (tag, mxc) in enumerate(mxcs.items()):
            add(window, [mxc], tag, data_type=originals[tag][1], data_encrypted=str(number + 1))
        add(window, [wrong], data_type="image/png", data_encrypted=str(len(files)), id="wrong")
        for tag, mxc in mxcs.items():
            wait_until(window, f'{tag}[data-mxc="{mxc}"]')
        wait_until(window, "#wrong", "failed")
        for tag, (content, _) in originals.items():
            assert window.sha256(f"{tag}[data-state=shown]") == hashlib.sha256(content).hexdigest()
        assert "not what its sender encrypted" in window.page.locator(".media-failed").inner_text()
        assert not window.page.locator("#wrong").get_attribute("src")
        page = window.page.content()
        assert not [file for file in files if file["key"]["k"] in page]
        assert counters(window)["urls"] == 3
