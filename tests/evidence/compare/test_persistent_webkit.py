"""What WebKitGTK keeps when it is started again with the same profile: caches, databases, workers, files, cookies."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.compare import webkit
from tests.evidence.compare.browsers import FILE_SYSTEM_FEATURES
from web.server import Server

pytestmark = [pytest.mark.full_matrix, pytest.mark.timeout(180)]

_WORKER = b"onfetch = (event) => event.request.url.endsWith('/by-worker') && event.respondWith(new Response('worker'));"
# WebKitGTK 2.50 has no `createWritable`.
_WRITER = b"""onmessage = async () => {
  const root = await navigator.storage.getDirectory();
  const access = await (await root.getFileHandle("kept", { create: true })).createSyncAccessHandle();
  access.write(new TextEncoder().encode("yes"));
  access.close();
  postMessage("");
};
onunhandledrejection = ({ reason }) => postMessage(String(reason));"""
_TYPES = {"/worker.js": b"text/javascript", "/writer.js": b"text/javascript", "/picture.svg": b"image/svg+xml"}
_BODIES = {
    "/": b"<!doctype html><title>A page</title>",
    "/worker.js": _WORKER,
    "/writer.js": _WRITER,
    "/picture.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>',
}
_DATABASE = """const database = await new Promise((resolve, reject) => {
    const request = indexedDB.open("kept", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("entries");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const entries = (mode) => database.transaction("entries", mode).objectStore("entries");
  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });"""
_STORE = f"""async () => {{
  {_DATABASE}
  await done(entries("readwrite").put("yes", "key"));
  localStorage.kept = "yes";
  document.cookie = "kept=yes; max-age=600";
  await (await caches.open("kept")).put("/entry", new Response("yes"));
  await navigator.serviceWorker.register("/worker.js");
  await navigator.serviceWorker.ready;
  await (await fetch("/picture.svg")).text();
  if (!navigator.storage?.getDirectory) return "navigator.storage.getDirectory is missing";
  const writer = new Worker("/writer.js");
  return new Promise((resolve) => {{
    writer.onmessage = ({{ data }}) => resolve(data);
    writer.onerror = ({{ message }}) => resolve(message);
    writer.postMessage("write");
  }});
}}"""
_LOOK = f"""async () => {{
  {_DATABASE}
  await (await fetch("/picture.svg")).text();
  const read = async () => {{
    const file = await (await navigator.storage.getDirectory()).getFileHandle("kept");
    return (await file.getFile()).text();
  }};
  return {{
    database: await done(entries("readonly").get("key")) ?? "",
    local: localStorage.kept ?? "",
    cookie: document.cookie,
    cache: await (await (await caches.open("kept")).match("/entry"))?.text() ?? "",
    worker: await (await fetch("/by-worker")).text(),
    file: navigator.storage?.getDirectory ? await read().catch(String) : "",
  }};
}}"""


class CountedSite:
    """A site with a page, a worker and a picture to cache; it counts the requests by path."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.server = Server(self._answer, 0)

    async def _answer(self, scope: dict[str, Any], _receive: object, send: Any) -> None:
        path = scope["path"]
        self.requests[path] += 1
        known = path in _BODIES
        headers = [(b"content-type", _TYPES.get(path, b"text/html"))]
        headers.append((b"cache-control", b"private, max-age=600" if path == "/picture.svg" else b"no-store"))
        await send({"type": "http.response.start", "status": 200 if known else 404, "headers": headers})
        await send({"type": "http.response.body", "body": _BODIES.get(path, b"none")})


@pytest.fixture
def site() -> Iterator[CountedSite]:
    site = CountedSite()
    site.server.start()
    yield site
    site.server.stop()


@pytest.fixture
def persistent_browser(screen: str) -> str:
    """The virtual screen, where there is such a browser."""
    if not webkit.has_persistent_browser():
        pytest.skip(f"install {' and '.join(webkit.PERSISTENT_PACKAGES)}")
    return screen


@pytest.mark.parametrize(
    ("features", "refusal", "file"),
    [((), "navigator.storage.getDirectory is missing", ""), (FILE_SYSTEM_FEATURES, "", "yes")],
    ids=["as-shipped", "file-system"],
)
def test_what_is_stored_survives_a_restart(
    persistent_browser: str, site: CountedSite, tmp_path: Path, features: tuple[str, ...], refusal: str, file: str
) -> None:
    with webkit.persistent_tab(tmp_path, persistent_browser, features) as tab:
        tab.open(site.server.url)
        assert tab.evaluate(_STORE) == refusal
    before = site.requests["/picture.svg"]
    with webkit.persistent_tab(tmp_path, persistent_browser, features) as tab:
        tab.open(site.server.url)
        kept = tab.evaluate(_LOOK)
    assert kept == {
        "database": "yes",
        "local": "yes",
        "cookie": "kept=yes",
        "cache": "yes",
        "worker": "worker",
        "file": file,
    }
    assert (before, site.requests["/picture.svg"]) == (1, 1), "the cache has it"
