"""Media of another homeserver: two of them federate over loopback, and every strategy shows what the other has."""

import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext

from development.synapse import Federation, Synapse
from tests.browser.binding_fixture import Stock, add, bench, wait_until
from tests.browser.engines import Mode
from tests.browser.matrix_room import Account, Room, picture
from tests.conftest import OpenWindow, only_chromium
from tests.evidence.compare.results import STRATEGIES
from tests.homeserver.support import certificate_files
from tests.relay import free_port

RED = 210

STRATEGIES_IN = {"chromium": ("bundle",)}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Synapse, Synapse]]:
    """One here and one there."""
    directory = tmp_path_factory.mktemp("federation")
    files = certificate_files(directory)
    baselines = {"cookie": True, "signed_query": True}
    here, there = [
        Synapse(directory / name, free_port(), module_config=baselines, federation=Federation(free_port(), *files))
        for name in ("here", "there")
    ]
    with here, there:
        yield here, there


@pytest.fixture(scope="session")
def room(servers: tuple[Synapse, Synapse]) -> Iterator[Room]:
    """A room here with a picture that was uploaded there."""
    here, there = servers
    mine, theirs = Room(here, "ana"), Room(there, "eve")
    mine.say("from there", theirs.upload(picture(RED), "image/png"), w=64, h=48)
    yield mine
    mine.close()
    theirs.close()


@pytest.fixture
def silent() -> Iterator[str]:
    """Media of a server that takes connections and says nothing, ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"mxc://127.0.0.1:{listener.getsockname()[1]}/never"


@only_chromium
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_shows_it(
    open_window: OpenWindow, site_for: Callable[[Account], str], room: Room, strategy: str
) -> None:
    window = open_window(site_for(room.account))
    interpreter = "pyodide" if strategy == "blocking" else "micropython"
    window.open(strategy.replace("_", "-"), interpreter=interpreter)
    assert window.state == "done", window.page.locator("#problem").inner_text()
    (element,) = [element for element in window.media_elements() if "width" not in element]
    assert element["state"] == "shown", element["words"]
    shown = Image.open(io.BytesIO(window.page.locator("#timeline .open-picture img").screenshot())).convert("RGB")
    assert shown.getpixel((32, 24)) == (RED, 90, 160)


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "opfs", "blob", "bundle"])
def test_a_server_that_never_answers_holds_up_nobody_else(
    bound_site: Path,
    browser: BrowserContext,
    servers: tuple[Synapse, Synapse],
    silent: str,
    mode: Mode,
    strategy: str,
) -> None:
    stock = Stock(servers[0], f"patient-{strategy}-{mode.name}", 8)
    with bench(bound_site, browser, servers[0], stock.room.account) as opened:
        window = opened.open(strategy, patience="2")
        add(window, [silent, *stock.pictures], data_width="96", data_height="96", data_method="crop")
        for mxc in stock.pictures:
            wait_until(window, f'img[data-mxc="{mxc}"]')
        stuck = window.page.locator(f'img[data-mxc="{silent}"]')
        if strategy == "link":  # of an `<img>` nobody knows how long it may take, so it is waited for ten times longer
            assert stuck.get_attribute("data-state") == "loading"
            stuck.evaluate("(image) => image.remove()")
        else:
            wait_until(window, f'img[data-mxc="{silent}"]', "failed")
            assert window.page.locator(".media-failed").inner_text().startswith("The server cannot be reached.")
