"""The benchmark's environment: a homeserver with thousands of small media, the site, and emulated networks."""

import hashlib
import io
import json
import re
import shutil
import sys
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
from tests.browser.page_builder import build_site_with_page
from tests.browser.site_tab import SiteTab
from tests.evidence.bench.network_emulation import EmulatedNetwork
from tests.evidence.bench.nginx_proxy import NginxProxy, find_nginx
from tests.homeserver.support import listener
from tests.relay import free_port
from web.server import SiteServer
from web.site import build

PAGES = Path(__file__).parent / "pages"
PASSWORD = "a password for benchmarks"
SIDE = 96
AVATAR = {"data-width": "32", "data-height": "32", "data-method": "crop"}
# Adds images to the page and waits until all have fired `load`; resolves to the milliseconds that this took. They are
# stacked with reserved sizes, as in a list of members: inline, thousands would be repainted and moved by each load.
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
# As docs/administrators.md recommends. Other systems than Linux have one address of loopback.
_PROXIED_ADDRESSES = [f"127.0.0.{number}" for number in range(1, 5 if sys.platform == "linux" else 2)]


class BenchmarkEnvironment:
    """See `benchmark_environment`.

    :param folder: the folder of its data.
    :param site: the site's URL.
    :param session: the stored session of pages, without the homeserver's URL.
    :param media: ``mxc://`` URIs of all media, whose thumbnails of the kind `AVATAR` exist.
    """

    def __init__(
        self, folder: Path, synapse: Synapse, site: str, session: dict[str, str], media: list[str], stack: ExitStack
    ) -> None:
        self.folder = folder
        self.synapse = synapse
        self.site = site
        self.media = media
        self.session = session
        self.proxy: NginxProxy | None = None
        self._stack = stack
        self._ways: dict[tuple[float, float, str], EmulatedNetwork] = {}

    def address(self, *, round_trip_ms: float = 0, bits_per_s: float = 0, over: str = "http/1.1") -> str:
        """Returns the homeserver's URL behind an emulated network.

        :param over: ``http/1.1`` for Synapse, ``h2`` for nginx in front of it, ``site`` for the site's public files.
        """
        network = self.network(round_trip_ms, bits_per_s, over)
        return f"{'https' if over == 'h2' else 'http'}://127.0.0.1:{network.port}"

    def network(self, round_trip_ms: float, bits_per_s: float, over: str) -> EmulatedNetwork:
        """Returns the emulated network of these properties, which counts bytes."""
        key = (round_trip_ms, bits_per_s, over)
        if key not in self._ways:
            port = self.synapse.port
            if over == "h2":
                assert self.proxy
                port = self.proxy.port
            elif over == "site":
                port = int(self.site.rpartition(":")[2])
            self._ways[key] = self._stack.enter_context(
                EmulatedNetwork(port, round_trip_ms=round_trip_ms, bits_per_s=bits_per_s)
            )
        return self._ways[key]

    def tab(self, context: BrowserContext, address: str) -> SiteTab:
        """Opens a tab on its own origin with a stored session."""
        tab = SiteTab(context, self.site)
        path = (
            f"/_matrix/client/v1/media/thumbnail/{self.media[0].removeprefix('mxc://')}?width=32&height=32&method=crop"
        )
        for name, value in (
            (
                "authmedia.session",
                json.dumps({**self.session, "access_token": self.session["token"], "address": address}),
            ),
            ("bench.path", path),
        ):
            tab.page.add_init_script(f"sessionStorage.setItem({json.dumps(name)}, {json.dumps(value)})")
        return tab

    def open(self, context: BrowserContext, page: str, address: str, **query: str) -> SiteTab:
        """Opens a page of the benchmark in a new tab, signed in and ready to load.

        :param page: ``library`` or ``plain``.
        """
        tab = self.tab(context, address)
        if page == "library":
            tab.open("library", homeserver=address, **query)
            assert tab.state == "done", tab.page.locator("#problem").inner_text()
            return tab
        given = "&".join(f"{name}={value}" for name, value in {**query, "homeserver": address}.items())
        tab.page.goto(f"{tab.origin}/plain.html?{given}")
        tab.page.wait_for_selector("html[data-state=ready]")
        tab.page.evaluate("(token) => window.signIn(token)", self.session["token"])
        return tab

    def load(
        self, context: BrowserContext, page: str, address: str, media: list[str], *, is_new: bool = False, **query: str
    ) -> float:
        """Returns the milliseconds until all media are shown in a new tab.

        :param is_new: whether connections, preflights and the strategy's own state are new as well. Otherwise the page
            has loaded another media before, which makes a round trip or two less for either side.
        """
        tab = self.open(context, page, address, **query, **({"new": "1"} if is_new else {}))
        try:
            if not is_new:
                tab.page.evaluate(LOAD, [[self._other_than(media)], {}])
            return float(tab.page.evaluate(LOAD, [media, AVATAR]))
        finally:
            tab.close()

    def _other_than(self, media: list[str]) -> str:
        # All have the same size. If it is one of them, it is at least the file instead of its thumbnail.
        return self.media[min(len(media), len(self.media) - 1)]


@contextmanager
def benchmark_environment(folder: Path, count: int, tell: Any) -> Iterator[BenchmarkEnvironment]:
    """Starts a homeserver with media, and the site; stops them afterwards.

    :param folder: a folder for their data, which is reused by later runs.
    :param count: number of media.
    """
    make_private_folder(folder)  # the record in it has an access token
    ports = free_port(), free_port()
    listeners = [listener(ports[0]), listener(ports[1], x_forwarded=True, addresses=_PROXIED_ADDRESSES)]
    synapse = Synapse(
        folder / "synapse",
        ports[0],
        # Only requests through nginx are offloaded, and only for large media.
        module_config={"cookie": True, "signed_query": True, "offload": "x-accel"},
        extra_config={"listeners": listeners, "max_upload_size": "200M"},
    )
    with ExitStack() as stack:
        tell("starting the homeserver")
        stack.enter_context(synapse)
        session, media = _seed_media(synapse, folder, count, tell)
        tell("building the site")
        server = SiteServer(_site(folder, media), 0, {})
        server.start()
        stack.callback(server.stop)
        environment = BenchmarkEnvironment(folder, synapse, server.url.rstrip("/"), session, media, stack)
        nginx = find_nginx()
        if nginx:
            store = folder / "synapse" / "media"
            proxy = NginxProxy(nginx, folder / "nginx", ports[1], media_store=store, addresses=_PROXIED_ADDRESSES)
            environment.proxy = stack.enter_context(proxy)
        yield environment


def picture(number: int) -> bytes:
    """Draws a distinct small image; deterministic."""
    dots = hashlib.shake_128(f"bench {number}".encode()).digest(6 * 6 * 3)
    image = Image.frombytes("RGB", (6, 6), dots).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _seed_media(synapse: Synapse, folder: Path, count: int, tell: Any) -> tuple[dict[str, str], list[str]]:
    """Registers an account, uploads missing media and requests each thumbnail once, so that all exist."""
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
    """Creates a room with one image per message."""
    room = str(
        client.post("/_matrix/client/v3/createRoom", json={"name": "Benchmark"}).raise_for_status().json()["room_id"]
    )
    for number, mxc in enumerate(media):
        info = {"mimetype": "image/png", "w": SIDE, "h": SIDE, "size": len(picture(number))}
        content = {"msgtype": "m.image", "body": f"picture-{number}.png", "url": mxc, "info": info}
        path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{number}"
        client.put(path, json=content).raise_for_status()
    return room


def _site(folder: Path, media: list[str]) -> Path:
    """Builds the site with the benchmark's pages and the media as public files."""
    built, site = folder / "built", folder / "site"
    build(built)
    shutil.rmtree(site, ignore_errors=True)
    build_site_with_page(built, site, "library", (PAGES / "library.py").read_text(encoding="utf-8"))
    for name in ("plain.html", "plain.js", "element-worker.js"):
        shutil.copyfile(PAGES / name, site / name)
    (site / "bare.html").write_text(_bare_page(site), encoding="utf-8")
    (site / "public").mkdir()
    for number, mxc in enumerate(media[:500]):
        (site / "public" / f"{mxc.rpartition('/')[2]}.png").write_bytes(_thumbnail(picture(number)))
    return site


def _bare_page(site: Path) -> str:
    """Returns a minimal page with PyScript and MicroPython: the configuration of `boot.js` and one script."""
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
    """Returns an image in the size of the thumbnails."""
    file = io.BytesIO()
    Image.open(io.BytesIO(content)).resize((32, 32), Image.Resampling.LANCZOS).save(file, "PNG")
    return file.getvalue()
