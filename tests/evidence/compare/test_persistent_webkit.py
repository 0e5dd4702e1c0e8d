"""What WebKitGTK keeps when it is started again with the same profile: databases, caches and workers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.evidence.compare import webkit
from web.server import Server

pytestmark = [pytest.mark.full_matrix, pytest.mark.timeout(180)]

_WORKER = b"oninstall = () => skipWaiting();"
_TYPES = {"/worker.js": b"text/javascript"}
_BODIES = {
    "/": b"<!doctype html><title>A page</title>",
    "/worker.js": _WORKER,
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
  await (await caches.open("kept")).put("/entry", new Response("yes"));
  // Not for this page: under a worker's control it would stay at about:blank when the browser starts, in 2.50.
  const registration = await navigator.serviceWorker.register("/worker.js", {{ scope: "/elsewhere/" }});
  while (!registration.active) await new Promise((resolve) => setTimeout(resolve, 50));
}}"""
_LOOK = f"""async () => {{
  {_DATABASE}
  return {{
    database: await done(entries("readonly").get("key")) ?? "",
    local: localStorage.kept ?? "",
    cache: await (await (await caches.open("kept")).match("/entry"))?.text() ?? "",
    workers: (await navigator.serviceWorker.getRegistrations()).map(({{ scope }}) => new URL(scope).pathname),
  }};
}}"""


async def _answer(scope: dict[str, Any], _receive: object, send: Any) -> None:
    path = scope["path"]
    headers = [(b"content-type", _TYPES.get(path, b"text/html")), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200 if path in _BODIES else 404, "headers": headers})
    await send({"type": "http.response.body", "body": _BODIES.get(path, b"none")})


@pytest.fixture
def site() -> Iterator[str]:
    """URL of a site with a page and a worker."""
    server = Server(_answer, 0)
    server.start()
    yield server.url
    server.stop()


def test_databases_caches_and_workers_survive_a_restart(screen: str, site: str, tmp_path: Path) -> None:
    if not webkit.has_persistent_browser():
        pytest.skip(f"install {' and '.join(webkit.PERSISTENT_PACKAGES)}")
    with webkit.persistent_tab(tmp_path, screen) as tab:
        tab.open(site)
        tab.evaluate(_STORE)
    with webkit.persistent_tab(tmp_path, screen) as tab:
        tab.open(site)
        assert tab.evaluate(_LOOK) == {"database": "yes", "local": "yes", "cache": "yes", "workers": ["/elsewhere/"]}
