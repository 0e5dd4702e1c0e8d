"""Media of another homeserver: two of them federate over loopback, and every strategy shows what the other has."""

import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext

from development.synapse import Federation, Synapse
from tests.browser.binding_harness import MediaSet, add_elements, binding_harness, wait_for_state
from tests.browser.engines import Mode
from tests.browser.matrix_room import Account, Room, picture
from tests.conftest import OpenTab, only_chromium
from tests.evidence.compare.results import STRATEGIES
from tests.homeserver.support import certificate_files
from tests.relay import free_port

RED = 210

STRATEGIES_IN = {"chromium": ("bundle",)}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Synapse, Synapse]]:
    """A local and a remote homeserver."""
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
    """A room on the local homeserver with an image uploaded to the remote one."""
    here, there = servers
    mine, theirs = Room(here, "ana"), Room(there, "eve")
    mine.send_media("from there", theirs.upload(picture(RED), "image/png"), w=64, h=48)
    yield mine
    mine.close()
    theirs.close()


@pytest.fixture
def unresponsive_mxc() -> Iterator[str]:
    """Media of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"mxc://127.0.0.1:{listener.getsockname()[1]}/never"


@only_chromium
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_shows_remote_media(
    open_tab: OpenTab, site_for: Callable[[Account], str], room: Room, strategy: str
) -> None:
    tab = open_tab(site_for(room.account))
    interpreter = "pyodide" if strategy == "blocking" else "micropython"
    tab.open(strategy.replace("_", "-"), interpreter=interpreter)
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    (element,) = [element for element in tab.media_elements() if "width" not in element]
    assert element["state"] == "shown", element["words"]
    shown = Image.open(io.BytesIO(tab.page.locator("#timeline .open-picture img").screenshot())).convert("RGB")
    assert shown.getpixel((32, 24)) == (RED, 90, 160)


@pytest.mark.on_disk
@pytest.mark.parametrize("strategy", ["link", "opfs", "blob", "bundle"])
def test_unresponsive_server_blocks_no_other_load(
    binding_site: Path,
    browser: BrowserContext,
    servers: tuple[Synapse, Synapse],
    unresponsive_mxc: str,
    mode: Mode,
    strategy: str,
) -> None:
    media_set = MediaSet(servers[0], f"patient-{strategy}-{mode.name}", 8)
    with binding_harness(binding_site, browser, servers[0], media_set.room.account) as opened:
        tab = opened.open(strategy, patience="2", near="600")
        add_elements(
            tab, [unresponsive_mxc, *media_set.pictures], data_width="96", data_height="96", data_method="crop"
        )
        for mxc in media_set.pictures:
            wait_for_state(tab, f'img[data-mxc="{mxc}"]')
        stuck = tab.page.locator(f'img[data-mxc="{unresponsive_mxc}"]')
        if strategy == "link":  # of an `<img>` nobody knows how long it may take, so it is waited for ten times longer
            assert stuck.get_attribute("data-state") == "loading"
            server = unresponsive_mxc.removeprefix("mxc://").partition("/")[0]
            said = tab.page.locator(".media-waiting").inner_text()  # which waits for it
            assert said == f"Waiting for {server}, where this media is from."
            stuck.evaluate("(image) => image.remove()")
            tab.page.locator(".media-waiting").wait_for(state="detached")
        else:
            wait_for_state(tab, f'img[data-mxc="{unresponsive_mxc}"]', "failed")
            assert tab.page.locator(".media-failed").inner_text().startswith("The server cannot be reached.")
