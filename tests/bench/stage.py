"""What a benchmark plays on: a homeserver with thousands of small media, the site with pages of the benchmark's own,
and ways between the two that are as long as one likes."""

import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import BrowserContext

from development.private_files import make_private_folder
from development.synapse import Synapse
from tests.bench.distance import Distance
from tests.bench.proxy import Proxy, find_nginx
from tests.browser.window import Window
from tests.browser.workshop import with_page
from tests.homeserver.support import listener
from tests.relay import free_port
from web.server import SiteServer
from web.site import build

PAGES = Path(__file__).parent / "pages"
PASSWORD = "a password for benchmarks"
SIDE = 96
AVATAR = {"data-width": "32", "data-height": "32", "data-method": "crop"}
# Puts images into the page and waits until the last of them has fired `load`; gives the milliseconds that this took.
# They stand one below the other with their places kept, as in a list of people: side by side, thousands would be near
# enough to be painted anew with every frame, and each that came would move all others.
LOAD = """async ([mxcs, attributes]) => {
  const images = mxcs.map((mxc) => {
    const image = new Image();
    image.dataset.mxc = mxc;
    for (const [name, value] of Object.entries(attributes)) image.setAttribute(name, value);
    image.width = attributes["data-width"];
    image.height = attributes["data-height"];
    image.style.display = "block";
    return image;
  });
  const all = images.map((image) => new Promise((resolve, reject) => {
    image.addEventListener("load", resolve, { once: true });
    image.addEventListener("error", () => reject(new Error(`no ${image.dataset.mxc}`)), { once: true });
  }));
  const start = performance.now();
  document.getElementById("bench").append(...images);
  window.load?.(images);
  await Promise.all(all);
  return performance.now() - start;
}"""
_UPLOADS_AT_ONCE = 4


class Stage:
    """See `staged`.

    :param site: the site's address.
    :param session: what pages remember of who is signed in, without the homeserver's address.
    :param media: the names of all media, ``mxc://…``; each has a thumbnail of the kind `AVATAR` ready.
    """

    def __init__(
        self, synapse: Synapse, site: str, session: dict[str, str], media: list[str], stack: ExitStack
    ) -> None:
        self.synapse = synapse
        self.site = site
        self.media = media
        self.session = session
        self.proxy: Proxy | None = None
        self._stack = stack
        self._ways: dict[tuple[float, float, str], Distance] = {}

    def address(self, *, round_trip_ms: float = 0, bits_per_s: float = 0, over: str = "http/1.1") -> str:
        """The address of the homeserver, a way off.

        :param over: ``http/1.1`` for Synapse itself, ``h2`` for the proxy before it, ``site`` for the public files.
        """
        way = self.way(round_trip_ms, bits_per_s, over)
        return f"{'https' if over == 'h2' else 'http'}://127.0.0.1:{way.port}"

    def way(self, round_trip_ms: float, bits_per_s: float, over: str) -> Distance:
        """The way itself, which counts bytes."""
        key = (round_trip_ms, bits_per_s, over)
        if key not in self._ways:
            port = self.synapse.port
            if over == "h2":
                assert self.proxy
                port = self.proxy.port
            elif over == "site":
                port = int(self.site.rpartition(":")[2])
            self._ways[key] = self._stack.enter_context(
                Distance(port, round_trip_ms=round_trip_ms, bits_per_s=bits_per_s)
            )
        return self._ways[key]

    def window(self, context: BrowserContext, address: str) -> Window:
        """A window of its own origin in which somebody is signed in."""
        window = Window(context, self.site)
        path = (
            f"/_matrix/client/v1/media/thumbnail/{self.media[0].removeprefix('mxc://')}?width=32&height=32&method=crop"
        )
        for name, value in (
            ("authmedia.session", json.dumps({**self.session, "address": address})),
            ("bench.path", path),
        ):
            window.page.add_init_script(f"sessionStorage.setItem({json.dumps(name)}, {json.dumps(value)})")
        return window

    def open(self, context: BrowserContext, page: str, address: str, **query: str) -> Window:
        """A window of its own origin with a page of the benchmark, signed in and ready to load.

        :param page: ``ours`` or ``plain``.
        """
        window = self.window(context, address)
        if page == "ours":
            window.open("ours", homeserver=address, **query)
            assert window.state == "done", window.page.locator("#problem").inner_text()
            return window
        given = "&".join(f"{name}={value}" for name, value in {**query, "homeserver": address}.items())
        window.page.goto(f"{window.origin}/plain.html?{given}")
        window.page.wait_for_selector("html[data-state=ready]")
        window.page.evaluate("(token) => window.signIn(token)", self.session["token"])
        return window

    def load(self, context: BrowserContext, page: str, address: str, media: list[str], **query: str) -> float:
        """The milliseconds until all of some media are on show, in a new window."""
        window = self.open(context, page, address, **query)
        try:
            return float(window.page.evaluate(LOAD, [media, AVATAR]))
        finally:
            window.close()


@contextmanager
def staged(folder: Path, count: int, tell: Any) -> Iterator[Stage]:
    """Starts a homeserver with so many media, and the site; stops all of it afterwards.

    :param folder: where it is kept; what is there already is not made again.
    """
    make_private_folder(folder)  # the record in it has an access token
    ports = free_port(), free_port()
    listeners = [listener(ports[0]), listener(ports[1], x_forwarded=True)]
    synapse = Synapse(
        folder / "synapse",
        ports[0],
        module_config={"cookie": True, "signed_query": True},
        extra_config={"listeners": listeners, "max_upload_size": "200M"},
    )
    with ExitStack() as stack:
        tell("starting the homeserver")
        stack.enter_context(synapse)
        session, media = _filled(synapse, folder, count, tell)
        tell("building the site")
        server = SiteServer(_site(folder, media), 0, {})
        server.start()
        stack.callback(server.stop)
        stage = Stage(synapse, server.url.rstrip("/"), session, media, stack)
        nginx = find_nginx()
        if nginx:
            stage.proxy = stack.enter_context(Proxy(nginx, folder / "nginx", ports[1]))
        yield stage


def picture(number: int) -> bytes:
    """A small picture unlike all others; always the same bytes."""
    dots = hashlib.shake_128(f"bench {number}".encode()).digest(6 * 6 * 3)
    image = Image.frombytes("RGB", (6, 6), dots).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _filled(synapse: Synapse, folder: Path, count: int, tell: Any) -> tuple[dict[str, str], list[str]]:
    """Signs somebody in and uploads what is missing; asks for each thumbnail once, so that all are ready."""
    record = folder / "media.json"
    known = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {"media": []}
    if "session" not in known:
        made = synapse.register("bench", PASSWORD)
        known["session"] = {"user": made["user_id"], "token": made["access_token"]}
    headers = {"Authorization": f"Bearer {known['session']['token']}"}
    with httpx.Client(base_url=synapse.base_url, headers=headers, timeout=60) as client:

        def add(number: int) -> str:
            answer = client.post(
                "/_matrix/media/v3/upload", content=picture(number), headers={"Content-Type": "image/png"}
            )
            mxc = str(answer.raise_for_status().json()["content_uri"])
            path = f"/_matrix/client/v1/media/thumbnail/{mxc.removeprefix('mxc://')}"
            wanted = {name.removeprefix("data-"): value for name, value in AVATAR.items()}
            client.get(path, params={**wanted, "animated": "false"}).raise_for_status()
            return mxc

        with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as threads:
            for mxc in threads.map(add, range(len(known["media"]), count)):
                known["media"].append(mxc)
                if len(known["media"]) % 100 == 0:
                    tell(f"uploading media ({len(known['media'])} of {count})")
        if "room" not in known["session"]:
            known["session"]["room"] = _room(client, known["media"][:40])
    record.write_text(json.dumps(known), encoding="utf-8")
    return known["session"], known["media"][:count]


def _room(client: httpx.Client, media: list[str]) -> str:
    """A room with a picture a message."""
    room = str(
        client.post("/_matrix/client/v3/createRoom", json={"name": "Bench"}).raise_for_status().json()["room_id"]
    )
    for number, mxc in enumerate(media):
        info = {"mimetype": "image/png", "w": SIDE, "h": SIDE, "size": len(picture(number))}
        content = {"msgtype": "m.image", "body": f"picture-{number}.png", "url": mxc, "info": info}
        path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{number}"
        client.put(path, json=content).raise_for_status()
    return room


def _site(folder: Path, media: list[str]) -> Path:
    """The site, with the benchmark's pages, and the media as files that anybody may see."""
    built, site = folder / "built", folder / "site"
    build(built)
    shutil.rmtree(site, ignore_errors=True)
    with_page(built, site, "ours", (PAGES / "ours.py").read_text(encoding="utf-8"))
    for name in ("plain.html", "plain.js", "element-worker.js"):
        shutil.copyfile(PAGES / name, site / name)
    (site / "bare.html").write_text(_bare(site), encoding="utf-8")
    (site / "public").mkdir()
    for number, mxc in enumerate(media[:500]):
        (site / "public" / f"{mxc.rpartition('/')[2]}.png").write_bytes(_thumbnail(picture(number)))
    return site


def _bare(site: Path) -> str:
    """The least that a page with PyScript and MicroPython can be: what `boot.js` sets up, and one script."""
    found = re.search(r'id="boot">(.*?)</script>', (site / "blob.html").read_text(encoding="utf-8"))
    assert found
    boot = json.loads(found[1])
    plugins = re.search(r"const plugins = \[(.*?)\];", next((site / "assets").glob("boot.*.js")).read_text("utf-8"))
    assert plugins
    text = (PAGES / "bare.html").read_text(encoding="utf-8")
    for mark, value in (
        ("@core@", boot["core"]),
        ("@interpreter@", boot["interpreters"]["micropython"]["url"]),
        ("@plugins@", plugins[1].replace('"', '"!').replace('"!,', '",').removesuffix('"!') + '"'),
    ):
        text = text.replace(mark, value)
    return text


def _thumbnail(content: bytes) -> bytes:
    """A picture as small as the thumbnails are."""
    file = io.BytesIO()
    Image.open(io.BytesIO(content)).resize((32, 32), Image.Resampling.LANCZOS).save(file, "PNG")
    return file.getvalue()
