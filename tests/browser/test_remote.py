"""Media of another homeserver: two of them federate over loopback, and every strategy shows what the other has."""

import io
from collections.abc import Callable, Iterator

import pytest
from PIL import Image

from development.synapse import Federation, Synapse
from tests.browser.rooms import Account, Room, picture
from tests.compare.results import STRATEGIES
from tests.conftest import OpenWindow, only_chromium
from tests.homeserver.support import certificate_files
from tests.relay import free_port

RED = 210


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A room here with a picture that was uploaded there."""
    directory = tmp_path_factory.mktemp("federation")
    files = certificate_files(directory)
    baselines = {"cookie": True, "signed_query": True}
    here, there = [
        Synapse(directory / name, free_port(), module_config=baselines, federation=Federation(free_port(), *files))
        for name in ("here", "there")
    ]
    with here, there:
        mine, theirs = Room(here, "ana"), Room(there, "eve")
        mine.be_seen(mine.upload(picture(90), "image/png"))
        mine.say("from there", theirs.upload(picture(RED), "image/png"), w=64, h=48)
        yield mine
        mine.close()
        theirs.close()


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
