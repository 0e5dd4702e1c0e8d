"""The package for pages in JavaScript, in a client on matrix-js-sdk and in small pages, against a real homeserver."""

import functools
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect

from development.attachments import encrypt
from development.sample_media.catalogue import Sample
from tests.browser import pixels
from tests.browser.matrix_room import Room, picture
from tests.browser.plain_site import code_blocks
from tests.browser.sample_room import keep_to_sample_room
from tests.browser.site_tab import SiteTab
from tests.conftest import only_chromium
from tests.relay import free_port
from web import javascript_package
from web.demonstration import Demonstration
from web.site import NODE_MODULES

PAGES = Path(__file__).parent / "pages" / "javascript"
PAINTED_S = 5.0
ELEMENTS = """() => [...document.querySelectorAll("[data-mxc]")].map((element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  return { tag: element.localName, ...element.dataset, box: [x + scrollX, y + scrollY, width, height] };
})"""


def bundle(source: Path, out: Path) -> None:
    """Bundles a page's script with the npm packages that it imports."""
    (esbuild,) = NODE_MODULES.glob("@esbuild/*/bin/esbuild")
    options = ["--bundle", "--format=esm", "--external:./authmedia-js/authmedia.js", "--log-level=error"]
    command = [str(esbuild), str(source), *options, f"--outfile={out}"]
    subprocess.run(command, check=True, env={**os.environ, "NODE_PATH": str(NODE_MODULES)}, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with the package and the test pages, and nothing of the demonstration's."""
    site = tmp_path_factory.mktemp("javascript") / "site"
    shutil.copytree(PAGES, site)
    javascript_package.write(site / "authmedia-js")
    bundle(PAGES / "room.js", site / "room.bundle.js")
    return site


@pytest.fixture
def open_page(
    browser: BrowserContext, demonstration: Demonstration, site: Path, site_for: Callable[..., str]
) -> Iterator[Callable[..., SiteTab]]:
    """Opens tabs on pages of the site, each on its own origin, and closes them after the test."""
    assert demonstration.demo
    demo = demonstration.demo
    account = {"homeserver": demonstration.synapse.base_url, "user": demo.user_id}
    address = site_for({**account, "password": demo.password, "room": demo.room_id}, site)
    tabs: list[SiteTab] = []

    def open_one(name: str, before: str = "", **query: str) -> SiteTab:
        """:param before: a script that runs before the page's own."""
        tabs.append(SiteTab(browser, address))
        tabs[-1].page.add_init_script(before)
        tabs[-1].page.goto(f"{tabs[-1].origin}/{name}.html?{urlencode(query)}")
        # A page without 'unsafe-eval' refuses Playwright's `wait_for_function`.
        tabs[-1].page.wait_for_selector("html[data-state=done], html[data-state=failed]", timeout=60_000)
        return tabs[-1]

    yield open_one
    for tab in tabs:
        tab.close()


@pytest.fixture(scope="module")
def account(demonstration: Demonstration) -> Iterator[Room]:
    """An account of the module's own, with a room."""
    room = Room(demonstration.synapse, f"javascript-{uuid4().hex[:8]}")
    yield room
    room.close()


@pytest.fixture(scope="module")
def other_account(demonstration: Demonstration) -> Iterator[Room]:
    room = Room(demonstration.synapse, f"javascript-{uuid4().hex[:8]}")
    yield room
    room.close()


def elements(tab: SiteTab) -> list[dict[str, Any]]:
    return list(tab.page.evaluate(ELEMENTS))


def painted(tab: Page, pictures: list[dict[str, Any]], samples: dict[str, Sample]) -> Image.Image:
    """The whole page once all pictures are painted."""
    deadline = time.monotonic() + PAINTED_S
    while True:
        page = pixels.decode_screenshot(tab.screenshot(full_page=True))
        if time.monotonic() > deadline or all(
            distance(page, element, samples) < pixels.MAX_DIFFERENCE for element in pictures
        ):
            return page


def distance(page: Image.Image, element: dict[str, Any], samples: dict[str, Sample]) -> float:
    originals = pixels.frames(samples[element["mxc"]].path, pixels.requested_thumbnail(element))
    return pixels.nearest(page, element["box"], originals)


@pytest.mark.by_default("chromium")
def test_a_client_on_matrix_js_sdk_shows_the_room(
    open_page: Callable[..., SiteTab], samples: dict[str, Sample]
) -> None:
    tab = open_page("room")
    assert tab.state == "done", tab.page.locator("html").get_attribute("data-error")
    expect(tab.page.locator("[data-mxc]:not([data-state=shown])")).to_have_count(0, timeout=60_000)
    shown = elements(tab)
    pictures = [element for element in shown if element["tag"] == "img"]
    assert {element["tag"] for element in shown} == {"img", "video", "audio"}
    assert len([element for element in shown if "encrypted" in element]) == 1
    page = painted(tab.page, pictures, samples)
    for element in pictures:
        assert distance(page, element, samples) < pixels.MAX_DIFFERENCE, element


@pytest.mark.by_default("chromium")
def test_a_load_without_an_element(open_page: Callable[..., SiteTab], account: Room) -> None:
    ciphertext, file = encrypt(picture(200))
    file["url"] = account.upload(ciphertext, "application/octet-stream")
    mxc = account.upload(picture(10), "image/png")
    found = open_page("plain").page.evaluate(
        """async ([mxc, file]) => {
          const media = await authmedia.start({ ...(await signIn()), strategy: "blob", root: null });
          const [whole, again] = await Promise.all([media.load({ mxc }), media.load({ mxc })]);
          const thumbnail = await media.load({ mxc, width: 32, height: 24, method: "crop" });
          const decrypted = await media.load({ file });
          const hashes = [await sha256(whole.src), await sha256(decrypted.src)];
          const shared = whole.src === again.src && whole.src !== thumbnail.src;
          whole.release();
          whole.release(); // does nothing: the other one is held
          const held = (await sha256(again.src)) === hashes[0];
          const support = await media.support();
          await media.forget({ mxc });
          media.stop();
          await media.forget();
          const revoked = (await failure(fetch(thumbnail.src))).name;
          const later = (await failure(media.load({ mxc }))).errorClass;
          return { hashes, shared, held, support, revoked, later, strategy: whole.strategy, source: whole.source };
        }""",
        [mxc, file],
    )
    assert found.pop("hashes") == [hashlib.sha256(picture(10)).hexdigest(), hashlib.sha256(picture(200)).hexdigest()]
    assert found == {
        "shared": True,
        "held": True,
        "support": {"works": True, "words": ""},
        "revoked": "TypeError",
        "later": "LoadCancelled",
        "strategy": "blob",
        "source": "network",
    }


def test_events_of_elements_and_two_accounts_in_one_page(
    open_page: Callable[..., SiteTab], account: Room, other_account: Room
) -> None:
    first, second = account.upload(picture(20), "image/png"), other_account.upload(picture(220), "image/png")
    users = [[room.account["user"], room.account["password"]] for room in (account, other_account)]
    found = open_page("plain").page.evaluate(
        """async ([users, mxcs]) => {
          const accounts = [await signIn(...users[0]), await signIn(...users[1])];
          const events = [];
          for (const state of ["loading", "shown", "failed", "released"])
            document.getElementById("elements").addEventListener(`authmedia:${state}`, ({ type, target, detail }) =>
              events.push([type, target.id, detail.error ? fields(detail.error) : detail]));
          const shown = ["first", "second"].map((id, index) => {
            const element = image({ id, "data-mxc": mxcs[index], "data-user-id": accounts[index].userId });
            return next("authmedia:shown", element);
          });
          const sessions = await Promise.all(accounts.map((one) => authmedia.start({ ...one, strategy: "blob" })));
          await Promise.all(shown);
          const lost = image({ id: "lost", "data-mxc": "mxc://localhost/nothing", "data-user-id": accounts[0].userId });
          await next("authmedia:failed", lost);
          const again = next("authmedia:failed", lost);
          sessions[0].retry(lost);
          await again;
          const other = next("authmedia:failed", lost);
          lost.dataset.mxc = "mxc://localhost/other";
          await other;
          sessions[0].stop();
          const left = [...document.images].map((one) => [one.id, one.src.split(":")[0], one.dataset.state ?? ""]);
          sessions[1].stop();
          return { events, left };
        }""",
        [users, [first, second]],
    )
    events = found["events"]
    states = {name: [event[0].partition(":")[2] for event in events if event[1] == name] for name in ("first", "lost")}
    assert states["first"] == ["loading", "shown", "released"]
    assert states["lost"] == ["loading", "failed", "loading", "failed", "released", "loading", "failed", "released"]
    released = [event[2]["mxc"] for event in events if event[:2] == ["authmedia:released", "lost"]]
    assert released == ["mxc://localhost/nothing", "mxc://localhost/other"]
    shown = next(event[2] for event in events if event[:2] == ["authmedia:shown", "second"])
    assert (shown["mxc"], shown["strategy"], shown["source"]) == (second, "blob", "network")
    error = next(event[2] for event in events if event[0] == "authmedia:failed")
    assert (error["name"], error["errorClass"], error["retry"]) == ("AuthMediaError", "MediaNotFound", False)
    assert error["userMessage"] == "This media is not on the server (any more)."
    assert error["mxc"] == "mxc://localhost/nothing"
    assert found["left"] == [["first", "", ""], ["second", "blob", "shown"], ["lost", "", ""]]


def test_a_session_is_renewed_by_the_application_and_its_end_is_reported_once(
    open_page: Callable[..., SiteTab], account: Room
) -> None:
    mxcs = [account.upload(picture(red), "image/png") for red in (30, 60, 90)]
    found = open_page("plain").page.evaluate(
        """async ([user, password, mxcs]) => {
          const account = await signIn(user, password);
          const [errors, renewals] = [[], []];
          let refresh = async () => ({ accessToken: account.accessToken, expiresInMs: 3e9 });
          const media = await authmedia.start({
            ...account, accessToken: "ended", strategy: "blob", onError: (error) => errors.push(error.errorClass),
            refresh: () => { renewals.push(1); return refresh(); },
          });
          const loaded = await Promise.all(mxcs.map((mxc) => media.load({ mxc })));
          const renewed = renewals.length;
          await fetch(`${account.homeserver}/_matrix/client/v3/logout`, {
            method: "POST", headers: { Authorization: `Bearer ${account.accessToken}` } });
          refresh = async () => {
            throw new authmedia.AuthMediaError({ errorClass: "SessionExpired", message: "signed out" });
          };
          for (const index of [0, 1, 2]) image({ "data-mxc": `mxc://localhost/another${index}` });
          await Promise.all([...document.images].map((element) => next("authmedia:failed", element)));
          const ended = [...errors];
          media.setAccessToken((await signIn(user, password)).accessToken);
          await media.forget({ mxc: mxcs[0] });
          const again = await media.load({ mxc: mxcs[0] });
          const hashes = await Promise.all([...loaded.slice(1), again].map(({ src }) => sha256(src)));
          return { hashes, renewed, ended };
        }""",
        [account.account["user"], account.account["password"], mxcs],
    )
    assert found["hashes"] == [hashlib.sha256(picture(red)).hexdigest() for red in (60, 90, 30)]
    assert (found["renewed"], found["ended"]) == (1, ["SessionExpired"])


@only_chromium
def test_a_load_is_aborted_by_its_signal_and_by_stop(open_page: Callable[..., SiteTab], account: Room) -> None:
    mxc = account.upload(picture(40), "image/png")
    page = open_page("plain").page
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(str(request.failure)))
    page.route("**/media/download/**", lambda route: None)  # never answered
    with page.expect_event("requestfailed", lambda _request: len(failed) == 2):
        found = page.evaluate(
            """async (mxc) => {
              const media = await authmedia.start({ ...(await signIn()), strategy: "blob", root: null });
              const controller = new AbortController();
              const aborted = failure(media.load({ mxc }, { signal: controller.signal }));
              setTimeout(() => controller.abort(new RangeError("enough")), 100);
              const reason = await aborted;
              const before = await failure(media.load({ mxc }, { signal: AbortSignal.abort() }));
              const stopped = failure(media.load({ mxc }));
              setTimeout(() => media.stop(), 100);
              return [reason.message, before.name, (await stopped).errorClass];
            }""",
            mxc,
        )
    assert found == ["enough", "AbortError", "LoadCancelled"]
    assert failed == ["net::ERR_ABORTED"] * 2


@only_chromium
def test_media_are_held_back_until_the_user_asks(open_page: Callable[..., SiteTab], account: Room) -> None:
    mxc = account.upload(picture(77), "image/png")
    found = open_page("plain").page.evaluate(
        """async (mxc) => {
          const seen = [], account = await signIn();
          for (const state of ["held", "shown", "released"])
            document.addEventListener(`authmedia:${state}`, ({ type, detail }) => seen.push(`${type} ${detail.mxc}`));
          const next = (state) => new Promise((resolve) =>
            document.addEventListener(`authmedia:${state}`, () => setTimeout(resolve), { once: true }));
          const without = await authmedia.start({ ...account, root: null });
          const refused = await failure((async () => without.setPolicy({ previews: true }))());
          const media = await authmedia.start({ ...account, strategy: "blob", policy: { previews: false } });
          const image = document.createElement("img");
          image.dataset.mxc = mxc;
          document.body.append(image);
          await next("held");
          while (!image.nextElementSibling) await new Promise(requestAnimationFrame); // until it is near
          const button = image.nextElementSibling.textContent;
          media.choose(mxc, true);
          await next("shown");
          media.choose(mxc, false);
          media.setPolicy({ previews: true });
          const after = image.dataset.state;
          media.stop();
          return [refused.message, button, after, seen.map((one) => one.replace(mxc, "it"))];
        }""",
        mxc,
    )
    assert found == [
        "The session has no `policy`; pass one to `start`, such as `{}`.",
        "Show picture",
        "held",
        [f"authmedia:{state} it" for state in ("held", "released", "shown", "released", "held", "released")],
    ]


# What `start` is called with, and what its error says.
WRONG: tuple[tuple[dict[str, object], str, str], ...] = (
    ({"homeserver": "matrix.example.org"}, "MalformedAddress", "such as https://matrix.example.org"),
    ({"homeserver": "https://matrix.example.org/?a=b"}, "MalformedAddress", "is no http or https address"),
    ({"homeserver": 7}, "InvalidOption", "`homeserver` must be a text that is not empty, and is a number"),
    ({"userId": "ana"}, "InvalidOption", "`userId` must be a user id such as @ana:example.org"),
    ({"accessToken": ""}, "InvalidOption", "`accessToken` must be a text that is not empty, and is empty"),
    (
        {"strategy": "cookie"},
        "InvalidOption",
        "There is no strategy 'cookie'; there are auto, link, delegated, opfs, blob",
    ),
    ({"token": "secret"}, "InvalidOption", "start has no option `token`; there are homeserver, userId, accessToken"),
    ({"root": "main"}, "InvalidOption", "`root` must be an element, a document, a shadow root, or null"),
    ({"limits": {"transfers": -1}}, "InvalidOption", "`transfers` must be a whole number of 0 or more"),
    ({"limits": {"transfers": 0}}, "InvalidOption", "transfers is 0; it must be a whole number, at least 1"),
    ({"policy": {"previews": "off"}}, "InvalidOption", "`previews` must be true or false, and is a string"),
    ({"policy": {"preview": True}}, "InvalidOption", "policy has no option `preview`; there are previews"),
    ({"onError": "log"}, "InvalidOption", "`onError` must be a function"),
)
WRONG_REQUESTS: tuple[tuple[dict[str, object], str, str], ...] = (
    ({}, "InvalidOption", "A request needs `mxc`."),
    ({"mxc": "https://example.org/a.png"}, "MalformedMxc", "Not a Matrix content URI"),
    ({"mxc": "mxc://example.org/abc", "width": "96"}, "InvalidOption", "`width` must be a whole number of 0 or more"),
    ({"mxc": "mxc://example.org/abc", "method": "fit"}, "InvalidOption", "`method` must be one of scale, crop"),
    ({"file": {"v": "v1"}}, "MalformedEncryptedFile", "'v' is not 'v2'"),
)


@only_chromium
def test_wrong_options_and_requests_are_named_and_never_their_values(open_page: Callable[..., SiteTab]) -> None:
    page = open_page("plain").page
    account = {"homeserver": "https://matrix.example.org", "userId": "@ana:example.org", "accessToken": "a secret"}
    for wrong, error_class, words in WRONG:
        error = page.evaluate("(options) => failure(authmedia.start(options))", account | wrong)
        assert (error["name"], error["errorClass"], error["isError"]) == ("AuthMediaError", error_class, True)
        assert words in error["message"]
        assert "secret" not in str(error)
    missing = page.evaluate("() => failure(authmedia.start({ homeserver: 'https://matrix.example.org' }))")
    assert missing["message"] == "start needs `userId`."
    page.evaluate("async (options) => { window.media = await authmedia.start(options); }", account)
    for wrong, error_class, words in WRONG_REQUESTS:
        error = page.evaluate("(request) => failure(media.load(request))", wrong)
        assert error["errorClass"] == error_class
        assert words in error["message"]
    for options, words in (("{ signal: 1 }", "`signal` must be an AbortSignal"), ("{ progress() {} }", "no option")):
        error = page.evaluate(f"() => failure(media.load({{ mxc: 'mxc://example.org/abc' }}, {options}))")
        assert (error["errorClass"], words in error["message"]) == ("InvalidOption", True)


@only_chromium
def test_a_homeserver_that_is_none_is_reported_once(open_page: Callable[..., SiteTab]) -> None:
    found = open_page("plain").page.evaluate(
        """async (homeserver) => {
          const errors = [];
          const onError = (error) => errors.push(fields(error));
          for (const index of [1, 2, 3]) image({ "data-mxc": `mxc://example.org/m${index}` });
          const failed = [...document.images].map((element) => next("authmedia:failed", element));
          const account = { homeserver, userId: "@ana:example.org", accessToken: "a token" };
          await authmedia.start({ ...account, strategy: "blob", onError });
          await Promise.all(failed);
          return errors;
        }""",
        f"http://localhost:{free_port()}",
    )
    assert [error["errorClass"] for error in found] == ["HomeserverUnreachable"]
    assert "Check that the homeserver runs at this address" in found[0]["message"]
    assert found[0]["retry"] is True


@only_chromium
@pytest.mark.parametrize("name", [name for name in javascript_package.DOWNLOADS if name != "authmedia.js"])
@pytest.mark.parametrize("status", [404, 200])
def test_a_missing_file_is_named_and_start_can_be_called_again(
    open_page: Callable[..., SiteTab], name: str, status: int
) -> None:
    """A server may also respond with a page to whatever it does not have."""
    page = open_page("plain").page
    page.route(f"**/{name}", lambda route: route.fulfill(status=status, content_type="text/html", body="<p>"))
    error = page.evaluate("async () => failure(authmedia.start(await signIn()))")
    assert error["errorClass"] == "FileMissing", error
    assert f"/authmedia-js/{name} is missing (" in error["message"]
    assert "Copy the whole folder authmedia-js to your site." in error["message"]
    page.unroute(f"**/{name}")
    if name != "micropython.mjs":  # a module that failed to load stays so until the page is reloaded
        assert page.evaluate("async () => failure(authmedia.start(await signIn()))") is None


@only_chromium
@pytest.mark.parametrize(
    ("script", "error_class", "words"),
    [
        ("delete globalThis.WebAssembly;", "BrowserUnsupported", "This browser lacks WebAssembly."),
        (
            "delete Promise.withResolvers; delete URL.canParse;",
            "BrowserUnsupported",
            "This browser lacks Promise.withResolvers, URL.canParse.",
        ),
        (
            "WebAssembly.instantiate = WebAssembly.instantiateStreaming = async () => { throw new Error('refused'); };",
            "StartFailed",
            "A Content-Security-Policy has to allow 'self' and 'wasm-unsafe-eval' in script-src",
        ),
    ],
)
def test_a_browser_that_cannot_run_it(
    open_page: Callable[..., SiteTab], script: str, error_class: str, words: str
) -> None:
    page = open_page("plain", before=script).page
    error = page.evaluate("async () => failure(authmedia.start(await signIn()))")
    assert error["errorClass"] == error_class
    assert words in error["message"]


@only_chromium
def test_it_shares_a_page_with_pyscripts_micropython(
    browser: BrowserContext, site: Path, account: Room, state: Path, tmp_path: Path, site_for: Callable[..., str]
) -> None:
    """Two MicroPythons in a page overwrite each other's memory, unless one of them keeps its state to itself."""
    together = tmp_path / "site"
    shutil.copytree(state / "site", together)
    shutil.copytree(site / "authmedia-js", together / "authmedia-js")
    mxc = account.upload(picture(50), "image/png")
    account.send_media("picture", mxc)
    tab = SiteTab(browser, site_for(account.account, together))
    try:
        tab.open("blob", interpreter="micropython")
        found = tab.page.evaluate(
            """async ([account, mxc]) => {
              const state = () => [Module, proxy_js_ref, proxy_js_map];
              const before = state();
              const { start } = await import("./authmedia-js/authmedia.js");
              const { src } = await (await start({ ...account, root: null })).load({ mxc });
              return [src !== "", state().every((value, at) => value === before[at])];
            }""",
            [
                {
                    "homeserver": account.account["homeserver"],
                    "userId": account.account["user"],
                    "accessToken": tab.access_token(),
                },
                mxc,
            ],
        )
        assert found == [True, True]
        tab.click_and_settle("#clear")
        assert tab.state == "done"
        assert {media["state"] for media in tab.media} == {"shown"}
    finally:
        tab.close()


@pytest.fixture
def documented(browser: BrowserContext, site: Path, tmp_path: Path) -> Iterator[Page]:
    """The page of the documentation, beside the folder, from the server that it names."""
    (page,) = code_blocks("docs/javascript.md", "html")
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    shutil.copytree(site / "authmedia-js", tmp_path / "authmedia-js")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        opened = browser.new_page()
        opened.goto(f"http://localhost:{server.server_port}/")
        yield opened
        opened.close()
        server.shutdown()
        thread.join()


def test_the_page_of_the_documentation_shows_three_pictures(
    documented: Page, demonstration: Demonstration, samples: dict[str, Sample]
) -> None:
    assert demonstration.demo
    keep_to_sample_room(documented, demonstration)
    for name, value in (
        ("homeserver", demonstration.synapse.base_url + "/"),
        ("user", demonstration.demo.user_id),
        ("password", demonstration.demo.password),
    ):
        documented.locator(f"[name={name}]").fill(value)
    documented.get_by_role("button").click()
    expect(documented.locator("img[data-state=shown]")).to_have_count(3, timeout=30_000)
    pictures = documented.evaluate(ELEMENTS)
    page = painted(documented, pictures, samples)
    for element in pictures:
        assert distance(page, element, samples) < pixels.MAX_DIFFERENCE, element


@only_chromium
def test_the_page_of_the_documentation_says_what_is_wrong(documented: Page) -> None:
    documented.locator("[name=homeserver]").fill(f"http://localhost:{free_port()}")
    documented.locator("[name=user]").fill("ana")
    documented.locator("[name=password]").fill("secret")
    documented.get_by_role("button").click()
    expect(documented.get_by_role("alert")).to_have_text("Failed to fetch")
