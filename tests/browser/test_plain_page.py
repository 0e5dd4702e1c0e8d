"""The library from its wheel in plain PyScript pages: the README's lines, and the pages of the documentation."""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from development.sample_media.catalogue import Sample
from tests.browser import pixels
from tests.browser.plain_site import ROOT, PlainServer, code_blocks, make_folder, replaced, write_page
from tests.browser.sample_room import keep_to_sample_room
from tests.conftest import only_chromium
from web.demonstration import Demonstration

PAIRS = (("chromium", "micropython"), ("chromium", "pyodide"), ("firefox-private", "micropython"))
# How PyScript is told of the wheel: npm's Pyodide has no micropip, which `packages` needs.
CONFIG = {"micropython": '"packages": ["./{wheel}"]', "pyodide": '"files": {{"./{wheel}": "./*"}}'}
INSTALLATION = "docs/installation.md"
# Isolates a page from windows of other origins: https://developer.mozilla.org/docs/Web/API/Window/crossOriginIsolated
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
# As in Safari before 26.
NO_WRITABLE = "delete FileSystemFileHandle.prototype.createWritable;"
SHOWN = """(selector) => {
  const all = [...document.querySelectorAll(selector)];
  return all.length && all.every((element) => element.dataset.state === "shown" || element.naturalWidth);
}"""
BOXES = """(selector) => [...document.querySelectorAll(selector)].map((element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  return { ...element.dataset, box: [x + scrollX, y + scrollY, width, height] };
})"""
PAINTED_S = 10.0

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with PyScript, both interpreters and the packages."""
    folder = tmp_path_factory.mktemp("plain") / "site"
    make_folder(folder)
    return folder


@pytest.fixture(scope="module")
def wheel(folder: Path) -> str:
    return next(folder.glob("authmedia-*.whl")).name


@pytest.fixture
def open_page(browser: BrowserContext, folder: Path) -> Iterator[OpenPage]:
    """Opens a page of the folder; its console is in the list ``console`` of the page."""
    opened: list[tuple[Page, PlainServer]] = []

    def open_one(name: str, script: str = "", headers: dict[str, str] | None = None) -> Page:
        server = PlainServer(folder, headers)
        server.start()
        page = browser.new_page()
        opened.append((page, server))
        console: list[str] = []
        page.console_lines = console  # type: ignore[attr-defined]
        page.on("console", lambda message: console.append(message.text))
        page.on("pageerror", lambda error: console.append(str(error)))
        if script:
            page.add_init_script(script)
        page.goto(server.url + name)
        return page

    yield open_one
    for page, server in opened:
        page.close()
        server.stop()


def console(page: Page) -> str:
    return "\n".join(page.console_lines)  # type: ignore[attr-defined]


def wait_for_console(page: Page, words: str) -> str:
    """Waits until the console has the words; returns all that is in it."""
    deadline = time.monotonic() + 60
    while words not in console(page):
        assert time.monotonic() < deadline, console(page)
        page.wait_for_timeout(20)
    return console(page)


def wait_until_shown(page: Page, selector: str) -> None:
    try:
        page.wait_for_function(SHOWN, arg=selector, timeout=40_000)
    except Exception as error:
        raise AssertionError(console(page)) from error


def assert_painted(page: Page, selector: str, samples: list[Sample]) -> None:
    """The elements show these samples, by their pixels."""
    page.evaluate("() => Promise.all([...document.images].map((image) => image.decode().catch(() => 0)))")
    elements: list[dict[str, Any]] = page.evaluate(BOXES, selector)
    assert len(elements) == len(samples)
    deadline = time.monotonic() + PAINTED_S
    while True:
        shot = pixels.decode_screenshot(page.screenshot(full_page=True))
        distances = [
            pixels.nearest(shot, element["box"], pixels.frames(sample.path, pixels.requested_thumbnail(element)))
            for element, sample in zip(elements, samples, strict=True)
        ]
        if max(distances) < pixels.MAX_DIFFERENCE:
            return
        assert time.monotonic() < deadline, distances


@pytest.fixture(scope="session")
def session(demonstration: Demonstration) -> dict[str, str]:
    """A session of the demonstration's account."""
    import httpx

    assert demonstration.demo
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": demonstration.demo.user_id},
        "password": demonstration.demo.password,
    }
    answer = httpx.post(demonstration.synapse.base_url + "/_matrix/client/v3/login", json=body).raise_for_status()
    return dict(answer.json())


@pytest.mark.by_default(interpreters=("micropython",))
def test_the_readmes_lines_run_as_they_stand(
    open_page: OpenPage,
    folder: Path,
    wheel: str,
    interpreter: str,
    demonstration: Demonstration,
    session: dict[str, str],
    samples: dict[str, Sample],
) -> None:
    """Only the names of the README's example are those of the demonstration: homeserver, user and media."""
    (elements,), (lines,) = code_blocks("README.md", "html"), code_blocks("README.md", "python")
    picture = next(mxc for mxc, sample in samples.items() if sample.kind == "image")
    film = next(mxc for mxc, sample in samples.items() if sample.kind == "video")
    names = {
        "https://matrix.example.org": demonstration.synapse.base_url,
        "@ana:example.org": session["user_id"],
        "mxc://example.org/abc": picture,
    }
    before = f"access_token = {session['access_token']!r}\nfrom pyscript import document\n"
    before += 'image = document.getElementById("image")'
    write_page(
        folder / f"readme-{interpreter}.html",
        interpreter,
        [before, replaced(lines, names)],
        config=CONFIG[interpreter].format(wheel=wheel),
        body=replaced(elements, {"mxc://example.org/abc": picture, "mxc://example.org/def": film})
        + '<img id="image" alt="" width="300">',
    )
    page = open_page(f"readme-{interpreter}.html")
    wait_until_shown(page, "[data-mxc], #image")
    assert_painted(page, "img", [samples[picture]] * 2)
    assert page.evaluate("() => document.querySelector('video').readyState") >= 1
    assert "rror" not in console(page)


def page_of_the_documentation(interpreter: str) -> str:
    """The page of `docs/installation.md`, as it stands for MicroPython; for Pyodide, with the changes of its table."""
    (page,) = code_blocks(INSTALLATION, "html")
    if interpreter == "micropython":
        return page
    text = (ROOT / INSTALLATION).read_text(encoding="utf-8")
    table = text.partition("| In the page | becomes |\n")[2].partition("\n\n")[0]
    changes = dict[str, str]()
    for line in table.splitlines()[1:]:
        old, new = (re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split(" | "))
        changes |= dict(zip(old, new, strict=True))
    assert len(changes) == 4
    return replaced(page, changes)


def test_the_page_of_the_documentation_shows_three_private_pictures(
    open_page: OpenPage, folder: Path, interpreter: str, demonstration: Demonstration, samples: dict[str, Sample]
) -> None:
    """In a page that is isolated from other origins, as it may be."""
    (folder / f"installation-{interpreter}.html").write_text(page_of_the_documentation(interpreter), encoding="utf-8")
    page = open_page(f"installation-{interpreter}.html", headers=ISOLATED)
    assert page.evaluate("crossOriginIsolated") is True
    assert demonstration.demo
    keep_to_sample_room(page, demonstration)
    wait_for_console(page, "PyScript Ready")
    page.fill("[name=homeserver]", demonstration.synapse.base_url)
    page.fill("[name=user]", demonstration.demo.user_id)
    page.fill("[name=password]", "a wrong one")
    page.click("button")
    page.wait_for_function("document.getElementById('problem').textContent")
    assert "M_FORBIDDEN" in wait_for_console(page, "M_FORBIDDEN")
    page.fill("[name=password]", demonstration.demo.password)
    page.click("button")
    page.wait_for_selector("main img >> nth=2", state="attached")
    wait_until_shown(page, "main img")
    shown = [samples[element["mxc"]] for element in page.evaluate(BOXES, "main img")]
    assert len(shown) == 3
    assert_painted(page, "main img", shown)


REMOTE = '"packages": ["{origin}/authmedia.toml"], "packages_cache": "passthrough"'
STORED = """
import asyncio
import hashlib
from pyscript import ffi, window
from authmedia import Homeserver, open_loader
from authmedia.browser.decryption_worker import decrypt_in_worker

async def main():
    ciphertext, digest = window.Blob.new(ffi.to_js(["a text"])), hashlib.sha256(b"a text").digest()
    started, plaintext = await decrypt_in_worker(ciphertext, "A" * 43, bytes(16), digest)
    print("decrypted:", started, plaintext.size if plaintext else None)
    support = await open_loader("opfs", Homeserver("https://matrix.example.org", "@ana:example.org", "token")).support()
    print("outcome:", support.works, support.words)

asyncio.create_task(main())
"""


@pytest.mark.by_default(interpreters=("micropython",))
@only_chromium
def test_a_remote_configuration_brings_the_workers(open_page: OpenPage, folder: Path, interpreter: str) -> None:
    """From another origin, to a page that has nothing of the library beside it."""
    remote = PlainServer(folder, {"Access-Control-Allow-Origin": "*"})
    config = REMOTE.format(origin=remote.url.rstrip("/"))
    write_page(folder / f"remote-{interpreter}.html", interpreter, [STORED], config=config)
    remote.start()
    page = open_page(f"remote-{interpreter}.html", NO_WRITABLE)
    assert "outcome: True" in wait_for_console(page, "outcome:")
    assert "decrypted: True 6" in console(page)
    assert page.evaluate("() => 'createWritable' in FileSystemFileHandle.prototype") is False
    remote.stop()


@pytest.mark.full_matrix
@only_chromium
def test_workers_that_cannot_start_are_told_or_left_out(open_page: OpenPage, folder: Path, wheel: str) -> None:
    """On Pyodide: for MicroPython, PyScript itself unpacks the wheel with workers from ``blob:``."""
    policy = '<meta http-equiv="Content-Security-Policy" content="worker-src \'self\'">'
    config = CONFIG["pyodide"].format(wheel=wheel)
    write_page(folder / "no-worker.html", "pyodide", [STORED], config=config, head=policy)
    told = wait_for_console(open_page("no-worker.html", NO_WRITABLE), "outcome:")
    assert "outcome: False" in told
    assert "decrypted: False None" in told
    assert "file-writer.js cannot be started: put the file, which is in the wheel's folder authmedia/browser" in told
    beside = folder / "file-writer.js"
    shutil.copyfile(ROOT / "pyapp/authmedia/browser/file-writer.js", beside)
    try:
        assert "outcome: True" in wait_for_console(open_page("no-worker.html", NO_WRITABLE), "outcome:")
    finally:
        beside.unlink()


# A clock that can be set while the page runs.
CLOCK = """(() => {
  const now = Date.now.bind(Date);
  let ahead = 0;
  window.setClock = (ms) => { ahead = ms; };
  Date.now = () => now() + ahead;
})()"""
WAITING = """
import asyncio
from authmedia.browser import now_ms

async def main():
    await asyncio.sleep(0.2)
    print("waiting")
    await asyncio.sleep(0.5)
    print("waited")

asyncio.create_task(main())
"""


@pytest.mark.by_default(interpreters=("micropython",))
@only_chromium
def test_a_clock_that_is_set_back_holds_nothing_up(
    open_page: OpenPage, folder: Path, wheel: str, interpreter: str
) -> None:
    config = CONFIG[interpreter].format(wheel=wheel)
    write_page(folder / f"clock-{interpreter}.html", interpreter, [WAITING], config=config)
    page = open_page(f"clock-{interpreter}.html", CLOCK)
    wait_for_console(page, "waiting")
    page.evaluate("setClock(-3_600_000)")
    assert "waited" in wait_for_console(page, "waited")
    ahead = page.evaluate("Math.abs(Date.now() - (performance.timeOrigin + performance.now()))")
    assert (ahead < 1000) is (interpreter == "micropython"), "Pyodide's event loop has a clock of its own"


# What is wrong, and what the console says of it.
BAD = {
    'Homeserver("matrix.example.org", "@ana:example.org", "token")': (
        "MalformedAddress",
        "such as https://matrix.example.org",
    ),
    'open_loader("lnk", Homeserver("https://matrix.example.org", "@ana:example.org", "token"))': (
        "There is no strategy 'lnk'",
        "auto, link, delegated, opfs, blob, bundle",
    ),
    'open_loader("auto", Homeserver("https://matrix.example.org", "@ana:example.org", "token"), limit=5)': (
        "open_loader has no option 'limit'",
        "its options are: limits, retry, hooks",
    ),
    # Nothing listens on this port.
    'homeserver = Homeserver("http://localhost:1", "@ana:example.org", "token")\n'
    'binder = bind(document_element(), open_loader("auto", homeserver, retry=RetryPolicy(attempts=1)))': (
        "authmedia: HomeserverUnreachable: ",
        "Check that the homeserver runs at this address and sends CORS headers",
    ),
}


@pytest.mark.by_default(interpreters=("micropython",))
@only_chromium
def test_the_console_says_what_is_wrong_and_what_to_do(
    open_page: OpenPage, folder: Path, wheel: str, interpreter: str
) -> None:
    """Each in a script of its own."""
    names = "from authmedia import Homeserver, RetryPolicy, bind, document_element, open_loader\n"
    write_page(
        folder / f"bad-{interpreter}.html",
        interpreter,
        [names + line for line in BAD],
        config=CONFIG[interpreter].format(wheel=wheel),
        body='<img data-mxc="mxc://example.org/abc"><img data-mxc="mxc://example.org/def">',
    )
    page = open_page(f"bad-{interpreter}.html")
    for what, advice in BAD.values():
        assert advice in wait_for_console(page, what)
    page.wait_for_function("() => document.querySelectorAll('[data-state=failed]').length === 2")
    assert console(page).count("authmedia: HomeserverUnreachable") == 1, "of two elements"
