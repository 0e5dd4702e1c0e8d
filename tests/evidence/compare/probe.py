"""What a page sees of its browser and window: which cookies of another site come back, workers, files, frames."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.evidence.compare.tabs import Tab
from web.server import Server

_HEADERS = [
    (b"access-control-allow-credentials", b"true"),
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
]
_COOKIES = (b"whole=1; SameSite=None; Secure; Path=/", b"own=1; SameSite=None; Secure; Partitioned; Path=/")
# Cookies know no ports: none of them is left to the homeservers of the same host.
_ENDED = tuple(cookie + b"; Max-Age=0" for cookie in _COOKIES)
# What a page at `localhost` sees, and which cookies of 127.0.0.1 come back from the second of two requests.
_SEEN = """async (other) => {
  let cookies = "";
  for (const turn of ["set", "read"])
    cookies = (await (await fetch(other + turn, { credentials: "include" })).json()).cookies;
  const attempt = async (call) => {
    try {
      await call();
      return "yes";
    } catch (error) {
      return error.name;
    }
  };
  return {
    cookies,
    worker: "serviceWorker" in navigator,
    files: await attempt(() => navigator.storage.getDirectory()),
    wasm: typeof WebAssembly,
    save_data: navigator.connection?.saveData ?? null,
    mobile: /Mobile/.test(navigator.userAgent),
    framed: self !== top,
    same_origin_top: (() => { try { return Boolean(top.document); } catch { return false; } })(),
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}"""


async def _answer(scope: dict[str, Any], _receive: object, send: Any) -> None:
    """Serves a page, sets two cookies, says which came, and ends them."""
    given = dict(scope["headers"])
    headers = [*_HEADERS, (b"access-control-allow-origin", given.get(b"origin", b"*"))]
    body = b'{"cookies": "%s"}' % given.get(b"cookie", b"")
    if scope["path"] == "/":
        headers = [(b"content-type", b"text/html")]
        body = b"<!doctype html><title>A page</title>"
    if scope["path"] == "/set":
        headers += [(b"set-cookie", cookie) for cookie in _COOKIES]
    if scope["path"] == "/read":
        headers += [(b"set-cookie", cookie) for cookie in _ENDED]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def probe_server() -> Iterator[str]:
    """Serves a page that `look` opens; yields its URL."""
    server = Server(_answer, 0)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def look(tab: Tab, url: str) -> dict[str, Any]:
    """Returns what a page sees: ``cookies`` (of another site, which came back), ``worker``, ``files``, and others.

    :param url: that of `probe_server`.
    """
    tab.open(url)
    return dict(tab.evaluate(_SEEN, url.replace("localhost", "127.0.0.1")))
