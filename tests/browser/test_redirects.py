"""A homeserver that sends the browser to another origin for its media: no token goes along, and no link is told."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.binding_harness import add_elements
from tests.browser.matrix_room import Room, picture
from tests.conftest import OpenTab
from tests.evidence.faults.faulty_proxy import Exchange, Fault, FaultyProxy
from tests.relay import InThread
from web.demonstration import Demonstration

STRATEGIES_IN = {"chromium": ("link",), "firefox-private": ("blob",)}
THUMBNAIL = {"data_width": "32", "data_height": "32", "data_method": "crop"}
SETTLED = "() => ['shown', 'failed'].includes(document.querySelector('#elements img')?.dataset.state)"


class RedirectTarget(InThread):
    """Another origin, which has a picture for everybody, and remembers what they told it."""

    def __init__(self) -> None:
        super().__init__()
        #: The heads of all requests.
        self.requested_paths: list[str] = []
        self._picture = picture(120)

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requested_paths.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        except asyncio.IncompleteReadError:
            writer.close()
            return
        head = [
            "HTTP/1.1 200 OK",
            "Content-Type: image/png",
            f"Content-Length: {len(self._picture)}",
            "Access-Control-Allow-Origin: *",
            "Access-Control-Allow-Headers: Authorization, Content-Type",
            "Connection: close",
        ]
        writer.write("\r\n".join([*head, "", ""]).encode() + self._picture)
        await writer.drain()
        writer.close()


@pytest.fixture(scope="session")
def room(demonstration: Demonstration) -> Iterator[Room]:
    room = Room(demonstration.synapse, "redirected")
    yield room
    room.close()


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "blob", "opfs", "bundle"])
def test_redirect_leaks_no_credentials(
    open_tab: OpenTab,
    site_for: Callable[..., str],
    binding_site: Path,
    demonstration: Demonstration,
    room: Room,
    strategy: str,
) -> None:
    mxc = room.upload(picture(121), "image/png")
    with RedirectTarget() as elsewhere, FaultyProxy(demonstration.synapse.port) as proxy:

        async def redirect(exchange: Exchange) -> None:
            if exchange.path.endswith("/links"):
                await exchange.answer()
                return
            exchange.status, exchange.body = 307, b""
            exchange.headers = [
                (b"location", f"{elsewhere.url}/{exchange.path.rpartition('/')[2]}".encode()),
                (b"access-control-allow-origin", b"*"),
            ]
            await exchange.answer()

        tab = open_tab(site_for({**room.account, "homeserver": proxy.url}, binding_site))
        tab.open("binding", strategy=strategy)
        with proxy.applying(Fault(redirect, 1)):
            add_elements(tab, [mxc], "img", 0, **THUMBNAIL)
            tab.page.wait_for_function(SETTLED)
        # Where the picture is, the homeserver may say; what is no bundle shows nothing.
        state = tab.page.locator("#elements img").get_attribute("data-state")
        assert state == ("failed" if strategy == "bundle" else "shown")
        assert proxy.done
    told = "\n".join(elsewhere.requested_paths).lower()
    assert "get /" in told or "post /" in told
    for secret in ("authorization:", "bearer", "sig=", "referer:", "cookie:"):
        assert secret not in told
