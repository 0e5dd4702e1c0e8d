"""Transfers that break off, and proxies that compress: a large media on its way through a relay."""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from development.attachments import encrypt
from development.synapse import Synapse
from tests.browser.binding_harness import MEDIA, add_elements, to_json, wait_for_state
from tests.browser.engines import Mode
from tests.browser.matrix_room import Room
from tests.conftest import OpenTab
from tests.evidence.bench.mp4_padding import pad_mp4
from tests.evidence.faults.faulty_proxy import Exchange, Fault, FaultyProxy
from tests.relay import free_port
from web.demonstration import Demonstration

STRATEGIES_IN = {"chromium": ("link", "blob")}
FILM_BYTES = 6_000_000
# What a page has of a body that breaks off lacks at most what was in its buffers.
BUFFERS_BYTES = 1_500_000
EXPOSED = b"ETag, Accept-Ranges, Content-Range"
WATCH_PROGRESS = """() => {
  window.progress = [];
  new MutationObserver((records) => window.progress.push(...records.map(({ target }) => target.dataset.progress)))
    .observe(document, { subtree: true, attributeFilter: ["data-progress"] });
}"""


class Relay:
    """Breaks off the first response with a large body, and compresses those of one media.

    :param adds_ranges: whether it answers ranges in the place of Synapse, whose own download knows none; the signed
        links of our module do.
    """

    def __init__(self, adds_ranges: bool = True) -> None:
        self._adds_ranges = adds_ranges
        #: The range and the number of bytes of each response with a large body.
        self.sent: list[tuple[str, int]] = []
        self.compressed = ""

    async def __call__(self, exchange: Exchange) -> None:
        if len(exchange.body) < FILM_BYTES // 10:
            await exchange.answer()
        elif self.compressed and self.compressed in exchange.path:
            exchange.body = gzip.compress(exchange.body, 1)
            exchange.headers.append((b"content-encoding", b"gzip"))
            await exchange.answer()
        else:
            if "/download/" in exchange.path and self._adds_ranges:
                add_ranges(exchange)
            await self._send(exchange)

    async def _send(self, exchange: Exchange) -> None:
        breaks = not self.sent
        size = len(exchange.body) * 2 // 3 if breaks else len(exchange.body)
        self.sent.append((exchange.asked_range, size))
        await exchange.send(exchange.head(len(exchange.body)) + exchange.body[:size])
        if breaks:
            await asyncio.sleep(0.3)  # else the reset discards what is on its way
            exchange.reset()


def add_ranges(exchange: Exchange) -> None:
    """Answers as a server with ranges does."""
    kept = [header for header in exchange.headers if header[0].lower() != b"etag"]
    own = [(b"etag", b'"one"'), (b"accept-ranges", b"bytes"), (b"access-control-expose-headers", EXPOSED)]
    exchange.headers = [*kept, *own]
    if exchange.asked_range:
        start, total = int(exchange.asked_range[6:-1]), len(exchange.body)
        exchange.status, exchange.body = 206, exchange.body[start:]
        exchange.headers.append((b"content-range", f"bytes {start}-{total - 1}/{total}".encode()))


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "blob", "opfs", "bundle"])
def test_a_broken_transfer_costs_the_rest_and_a_compressed_one_is_whole(
    open_tab: OpenTab,
    site_for: Callable[..., str],
    binding_site: Path,
    demonstration: Demonstration,
    mode: Mode,
    strategy: str,
) -> None:
    room = Room(demonstration.synapse, f"resumed-{mode.name}-{strategy}")
    film = pad_mp4((MEDIA / "film.mp4").read_bytes(), FILM_BYTES)
    files = []
    attributes = {"data_type": "video/mp4"}
    sent = film
    if strategy == "link":  # whose elements transfer by themselves what is not encrypted
        sent, file = encrypt(film)
        attributes["data_encrypted"] = "1"
        files = [file]
    mxcs = [room.upload(sent, "video/mp4") for _ in range(2)]
    files = [{**file, "url": mxcs[0]} for file in files]
    relay = Relay()
    relay.compressed = mxcs[1].rpartition("/")[2]
    with FaultyProxy(demonstration.synapse.port) as proxy, proxy.applying(Fault(relay, 1)):
        account = {**room.account, "homeserver": proxy.url, "files": to_json(files)}
        tab = open_tab(site_for(account, binding_site))
        tab.open("binding", strategy=strategy)
        tab.page.evaluate(WATCH_PROGRESS)
        for number, mxc in enumerate(mxcs):
            add_elements(tab, [mxc], "video", id=f"v{number}", **attributes)
            wait_for_state(tab, f"#v{number}")
            assert tab.sha256(f"#v{number}") == hashlib.sha256(film).hexdigest()
        progress = [int(percent) for percent in tab.page.evaluate("window.progress") if percent]
    room.close()
    assert [bool(asked) for asked, _ in relay.sent] == [False, True]
    assert FILM_BYTES <= sum(size for _, size in relay.sent) <= FILM_BYTES + BUFFERS_BYTES
    assert max(progress) <= 100


@pytest.fixture(scope="session", params=[False, True], ids=["plain", "native_ranges"])
def synapse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A homeserver whose own download answers ranges, or does not."""
    directory = tmp_path_factory.mktemp("ranges")
    with Synapse(directory, free_port(), module_config={"native_ranges": request.param}) as synapse:
        yield synapse


@pytest.mark.by_default("chromium")
@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["blob", "opfs"])
def test_a_broken_download_of_synapse_starts_again_or_goes_on(
    open_tab: OpenTab,
    site_for: Callable[..., str],
    binding_site: Path,
    synapse: Synapse,
    request: pytest.FixtureRequest,
    mode: Mode,
    strategy: str,
) -> None:
    has_ranges = request.node.callspec.params["synapse"]
    room = Room(synapse, f"broken-{mode.name}-{strategy}")
    film = pad_mp4((MEDIA / "film.mp4").read_bytes(), FILM_BYTES)
    mxc = room.upload(film, "video/mp4")
    relay = Relay(adds_ranges=False)
    with FaultyProxy(synapse.port) as proxy, proxy.applying(Fault(relay, 1)):
        tab = open_tab(site_for({**room.account, "homeserver": proxy.url}, binding_site))
        tab.open("binding", strategy=strategy)
        add_elements(tab, [mxc], "video")
        wait_for_state(tab, "video")
        assert tab.sha256("video") == hashlib.sha256(film).hexdigest()
    room.close()
    first, second = relay.sent
    received = len(film) * 2 // 3
    assert first == ("", received)
    if has_ranges:
        assert second[0].startswith("bytes=")
        assert len(film) - received <= second[1] <= len(film) - received + BUFFERS_BYTES
    else:
        assert second == ("", len(film)), "it starts again"
