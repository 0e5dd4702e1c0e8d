"""Media that lie with a storage provider: brought whole, once, and for everybody who waits for them."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from development.synapse import Synapse
from tests.homeserver.conftest import QUICK
from tests.homeserver.support import PREFIX, Account, Answer, Mxc, image, noise, picture, send, wait_for
from tests.relay import free_port

ROOT = str(Path(__file__).parent.parent.parent)
CONTENT = noise(300_000, "far from here")
A_DAY_S = 24 * 3600


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def eva(storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Somebody on an impatient homeserver whose media lie with a slow storage provider."""
    provider = {
        "module": "tests.homeserver.slow_storage.SlowStorage",
        "store_local": True,
        "store_synchronous": True,
        "config": {"directory": str(storage)},
    }
    secrets = [{"id": "1", "secret": "a secret of thirty-two bytes or more"}]
    modules = [{"module": "tests.homeserver.impatient.MediaLinks", "config": {"secrets": secrets}}]
    extra = {**QUICK, "modules": modules, "media_storage_providers": [provider]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ROOT)
        with Synapse(tmp_path_factory.mktemp("slow"), free_port(), extra_config=extra) as synapse:
            yield Account.new(synapse)


@pytest.fixture
def mxc(eva: Account) -> Mxc:
    """A media that is with the provider, and not here any more."""
    return sent_away(eva, CONTENT, "video/mp4")


def sent_away(eva: Account, content: bytes, content_type: str) -> Mxc:
    mxc = eva.upload(content, content_type)
    here(eva, mxc).unlink()
    return mxc


def name(mxc: Mxc) -> str:
    return f"local_content/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/{mxc.media_id[4:]}"


def here(eva: Account, mxc: Mxc) -> Path:
    return eva.synapse.directory / "media" / name(mxc)


def fetches(storage: Path, mxc: Mxc) -> int:
    return (storage / "fetches").read_text().splitlines().count(name(mxc))


def pieces(eva: Account, mxc: Mxc) -> list[Path]:
    """What lies beside the file: it, while it comes."""
    return [file for file in here(eva, mxc).parent.iterdir() if file != here(eva, mxc)]


def is_unavailable(answer: Answer) -> bool:
    assert answer.headers["cache-control"] == "no-store"
    return (answer.status, answer.error, answer.headers["retry-after"]) == (503, "M_UNKNOWN", "5")


def test_many_who_ask_at_once_are_given_the_whole_and_it_is_fetched_once(eva: Account, storage: Path, mxc: Mxc) -> None:
    url = eva.link(mxc)
    (storage / "hold").touch()
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(send, url) for _ in range(4)]
        wait_for(lambda: pieces(eva, mxc), what="the first half")
        answers += [threads.submit(send, url) for _ in range(4)]
        (storage / "hold").unlink()
        assert [answer.result().body == CONTENT for answer in answers] == [True] * 8
    assert fetches(storage, mxc) == 1
    assert here(eva, mxc).read_bytes() == CONTENT
    assert pieces(eva, mxc) == []


def test_transfer_that_breaks_off_leaves_nothing_behind(eva: Account, storage: Path, mxc: Mxc) -> None:
    url = eva.link(mxc)
    (storage / "break").touch()
    assert is_unavailable(send(url))
    assert not here(eva, mxc).exists()
    assert pieces(eva, mxc) == []
    assert send(url).body == eva.download(mxc).content == CONTENT


def test_file_that_was_cut_short_long_ago_is_brought_again(eva: Account, storage: Path) -> None:
    """Synapse itself leaves one where a transfer of its own breaks off, and would send it for ever."""
    mxc = eva.upload(CONTENT, "video/mp4")
    os.truncate(here(eva, mxc), 1000)
    os.utime(here(eva, mxc), (time.time() - A_DAY_S,) * 2)
    assert send(eva.link(mxc)).body == CONTENT
    assert eva.download(mxc).content == CONTENT


def test_file_that_is_cut_short_at_the_provider_is_asked_for_once(eva: Account, storage: Path, mxc: Mxc) -> None:
    os.truncate(storage / name(mxc), 1000)
    assert is_unavailable(send(eva.link(mxc)))
    assert fetches(storage, mxc) == 1
    assert not here(eva, mxc).exists()


def test_file_that_is_nowhere(eva: Account, storage: Path, mxc: Mxc) -> None:
    (storage / name(mxc)).unlink()
    answer = send(eva.link(mxc))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")


def test_thumbnail_is_made_of_the_whole(eva: Account, storage: Path) -> None:
    mxc = sent_away(eva, picture(), "image/png")
    url = eva.link(mxc, width=64, height=64, method="crop")
    (storage / "break").touch()
    assert is_unavailable(send(url))
    assert image(send(url).body).size == (64, 64)
    assert here(eva, mxc).read_bytes() == picture()


def test_bundle_is_not_held_up_by_what_has_to_be_brought(eva: Account, storage: Path, mxc: Mxc) -> None:
    made = {"mxc": eva.upload(picture(), "image/png").uri, "thumbnail": {"width": 33, "height": 33}}
    (storage / "hold").touch()
    with eva.http.stream("POST", f"{PREFIX}/bundle", json={"media": [{"mxc": mxc.uri}, made]}) as answer:
        chunks = answer.iter_raw()
        content = next(chunks)
        (storage / "hold").unlink()
        content += b"".join(chunks)
    assert content.startswith(b'{"part": 1, "status": 200, ')
    assert content.endswith(CONTENT)


def test_all_who_wait_for_an_incomplete_file_give_up_together(eva: Account) -> None:
    """Not one after the other; and a bundle sends others' parts meanwhile."""
    mxc, good = eva.upload(CONTENT, "video/mp4"), eva.upload(b"good", "text/plain")
    url = eva.link(mxc)
    os.truncate(here(eva, mxc), 1000)  # a moment ago: somebody may be writing it
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(send, url) for _ in range(8)]
        wanted = {"media": [{"mxc": mxc.uri}, {"mxc": good.uri}]}
        with eva.http.stream("POST", f"{PREFIX}/bundle", json=wanted) as answer:
            assert next(answer.iter_raw()).startswith(b'{"part": 1, "status": 200, ')
        assert all(is_unavailable(answer.result()) for answer in answers)
    assert time.monotonic() - began < 6  # one patience is a second and a half
