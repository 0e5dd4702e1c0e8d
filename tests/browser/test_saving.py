"""Files of any size, saved by a link that a user follows: from an empty one to more than 2 GiB."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from development.synapse import Synapse
from tests.browser.binding_harness import add_elements
from tests.browser.engines import Mode
from tests.browser.matrix_room import Room
from tests.browser.saved_files import save
from tests.conftest import OpenTab
from web.demonstration import Demonstration

PAIRS = (("firefox", "micropython"),)
STRATEGIES_IN = {"firefox": ("blob",)}
# The size of each file in bytes. On MicroPython, numbers of 2 GiB and more out of JavaScript are negative.
SIZES = {"empty": 0, "65 MiB": 65 * 2**20, "1 GB": 10**9, "2.1 GiB": 2**31 + 2**27}
LARGE = ("1 GB", "2.1 GiB")
BEGINNING, END = b"the beginning", b"the end"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def room(demonstration: Demonstration) -> Room:
    return Room(demonstration.synapse, "saver")


def upload_sparse(synapse: Synapse, room: Room, size: int) -> str:
    """Uploads a file that is zeros but for its beginning and its end, of any size; returns its ``mxc://`` URI.

    A small one is uploaded, and made longer on the homeserver's disk, which takes no time and no space.
    """
    mxc = room.upload(BEGINNING if size else b"", "application/octet-stream", "track.bin")
    if not size:
        return mxc
    media_id = mxc.rpartition("/")[2]
    path = synapse.directory / "media/local_content" / media_id[:2] / media_id[2:4] / media_id[4:]
    with path.open("r+b") as file:
        file.seek(size - len(END))
        file.write(END)
    with sqlite3.connect(synapse.directory / "homeserver.db", timeout=10) as database:
        database.execute("UPDATE local_media_repository SET media_length = ? WHERE media_id = ?", (size, media_id))
    return mxc


@pytest.mark.parametrize(
    "size", [pytest.param(name, marks=pytest.mark.full_matrix) if name in LARGE else name for name in SIZES]
)
@pytest.mark.parametrize("strategy", ["link", "blob"])
def test_files_of_any_size_are_saved(
    open_tab: OpenTab,
    site_for: Callable[..., str],
    binding_site: Path,
    demonstration: Demonstration,
    room: Room,
    mode: Mode,
    interpreter: str,
    downloads: Path,
    strategy: str,
    size: str,
) -> None:
    mxc, length = upload_sparse(demonstration.synapse, room, SIZES[size]), SIZES[size]
    name = f"{strategy} {size}.bin"
    tab = open_tab(site_for(room.account, binding_site))
    tab.open("binding", strategy=strategy, interpreter=interpreter, budget="0")
    add_elements(tab, [mxc], "a", gap=40, download=name, id="file", href="#file")
    tab.page.wait_for_selector("#file[data-state=ready]", state="attached")
    tab.page.evaluate("() => { document.getElementById('file').textContent = 'The file'; }")
    saved = save(tab, mode, downloads / name, lambda: tab.page.click("#file"), length, timeout_s=500)
    tab.page.locator("#file[data-state=shown]").wait_for(state="attached")  # no animation frame comes meanwhile
    assert saved.stat().st_size == length
    if length:
        with saved.open("rb") as file:
            assert file.read(len(BEGINNING)) == BEGINNING
            file.seek(-len(END), 2)
            assert file.read() == END
    saved.unlink()
