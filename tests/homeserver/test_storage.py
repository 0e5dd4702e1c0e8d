"""Media in a storage provider: fetched once for all concurrent requests, completely or not at all."""

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
CONTENT = noise(300_000, "provider")
A_DAY_S = 24 * 3600


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def eva(storage: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account on a homeserver with short timeouts and a slow storage provider."""
    provider = {
        "module": "tests.homeserver.slow_storage.SlowStorage",
        "store_local": True,
        "store_synchronous": True,
        "config": {"directory": str(storage)},
    }
    secrets = [{"id": "1", "secret": "a secret of thirty-two bytes or more"}]
    config = {"secrets": secrets, "native_ranges": True}
    modules = [{"module": "tests.homeserver.short_timeouts.MediaLinks", "config": config}]
    extra = {**QUICK, "modules": modules, "media_storage_providers": [provider]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ROOT)
        with Synapse(tmp_path_factory.mktemp("slow"), free_port(), extra_config=extra) as synapse:
            yield Account.new(synapse)


@pytest.fixture
def mxc(eva: Account) -> Mxc:
    """A media that only the storage provider has."""
    return upload_to_provider_only(eva, CONTENT, "video/mp4")


def upload_to_provider_only(eva: Account, content: bytes, content_type: str) -> Mxc:
    mxc = eva.upload(content, content_type)
    local_path(eva, mxc).unlink()
    return mxc


def store_path(mxc: Mxc) -> str:
    return f"local_content/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/{mxc.media_id[4:]}"


def local_path(eva: Account, mxc: Mxc) -> Path:
    return eva.synapse.directory / "media" / store_path(mxc)


def fetches(storage: Path, mxc: Mxc) -> int:
    return (storage / "fetches").read_text().splitlines().count(store_path(mxc))


def temporary_files(eva: Account, mxc: Mxc) -> list[Path]:
    """Returns the other files in the directory of the file, under which it is written while it is fetched."""
    return [file for file in local_path(eva, mxc).parent.iterdir() if file != local_path(eva, mxc)]


def is_unavailable(answer: Answer) -> bool:
    assert answer.headers["cache-control"] == "no-store"
    return (answer.status, answer.error, answer.headers["retry-after"]) == (503, "M_UNKNOWN", "5")


def test_concurrent_requests_share_one_fetch(eva: Account, storage: Path, mxc: Mxc) -> None:
    url = eva.link(mxc)
    (storage / "hold").touch()
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(send, url) for _ in range(4)]
        wait_for(lambda: temporary_files(eva, mxc), what="the first half")
        answers += [threads.submit(send, url) for _ in range(4)]
        (storage / "hold").unlink()
        assert [answer.result().body == CONTENT for answer in answers] == [True] * 8
    assert fetches(storage, mxc) == 1
    assert local_path(eva, mxc).read_bytes() == CONTENT
    assert temporary_files(eva, mxc) == []


def test_failed_fetch_leaves_no_file(eva: Account, storage: Path, mxc: Mxc) -> None:
    url = eva.link(mxc)
    (storage / "break").touch()
    assert is_unavailable(send(url))
    assert not local_path(eva, mxc).exists()
    assert temporary_files(eva, mxc) == []
    assert send(url).body == eva.download(mxc).content == CONTENT


def test_old_truncated_file_is_fetched_again(eva: Account, storage: Path) -> None:
    """A failed transfer of Synapse's own leaves such a file, and Synapse would send it forever."""
    mxc = eva.upload(CONTENT, "video/mp4")
    os.truncate(local_path(eva, mxc), 1000)
    os.utime(local_path(eva, mxc), (time.time() - A_DAY_S,) * 2)
    assert send(eva.link(mxc)).body == CONTENT
    assert eva.download(mxc).content == CONTENT


def test_truncated_file_at_the_provider_is_fetched_once(eva: Account, storage: Path, mxc: Mxc) -> None:
    os.truncate(storage / store_path(mxc), 1000)
    assert is_unavailable(send(eva.link(mxc)))
    assert fetches(storage, mxc) == 1
    assert not local_path(eva, mxc).exists()


def test_file_that_is_missing_everywhere(eva: Account, storage: Path, mxc: Mxc) -> None:
    (storage / store_path(mxc)).unlink()
    answer = send(eva.link(mxc))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")


def test_range_of_synapses_own_download_fetches_the_complete_file(eva: Account, storage: Path, mxc: Mxc) -> None:
    """A whole download streams from the provider, as without the module."""
    whole = eva.download(mxc)
    assert (whole.content == CONTENT, whole.headers["accept-ranges"]) == (True, "bytes")
    assert not local_path(eva, mxc).exists()
    headers = {"Range": "bytes=1000-1999", "If-Range": whole.headers["etag"]}
    (storage / "break").touch()
    failed = eva.download(mxc, **headers)
    assert (failed.status_code, failed.json()["errcode"], failed.headers["retry-after"]) == (503, "M_UNKNOWN", "5")
    assert "content-range" not in failed.headers
    part = eva.download(mxc, **headers)
    assert (part.status_code, part.content) == (206, CONTENT[1000:2000])
    assert local_path(eva, mxc).read_bytes() == CONTENT
    again = eva.download(mxc, **headers)
    assert (again.status_code, again.headers["etag"]) == (206, whole.headers["etag"])


def test_truncated_file_of_synapses_own_download_is_fetched_again(eva: Account) -> None:
    mxc = eva.upload(CONTENT, "video/mp4")
    os.truncate(local_path(eva, mxc), 1000)
    os.utime(local_path(eva, mxc), (time.time() - A_DAY_S,) * 2)
    assert eva.download(mxc).content == CONTENT


def test_thumbnail_is_created_from_the_complete_file(eva: Account, storage: Path) -> None:
    mxc = upload_to_provider_only(eva, picture(), "image/png")
    url = eva.link(mxc, width=64, height=64, method="crop")
    (storage / "break").touch()
    assert is_unavailable(send(url))
    assert image(send(url).body).size == (64, 64)
    assert local_path(eva, mxc).read_bytes() == picture()


def test_fetch_does_not_delay_other_parts_of_a_bundle(eva: Account, storage: Path, mxc: Mxc) -> None:
    made = {"mxc": eva.upload(picture(), "image/png").uri, "thumbnail": {"width": 33, "height": 33}}
    (storage / "hold").touch()
    with eva.http.stream("POST", f"{PREFIX}/bundle", json={"media": [{"mxc": mxc.uri}, made]}) as answer:
        chunks = answer.iter_raw()
        content = next(chunks)
        (storage / "hold").unlink()
        content += b"".join(chunks)
    assert content.startswith(b'{"part": 1, "status": 200, ')
    assert content.endswith(CONTENT)


def test_concurrent_requests_for_an_incomplete_file_time_out_together(eva: Account) -> None:
    """Not one after the other. A bundle sends its other parts meanwhile."""
    mxc, good = eva.upload(CONTENT, "video/mp4"), eva.upload(b"good", "text/plain")
    url = eva.link(mxc)
    os.truncate(local_path(eva, mxc), 1000)  # just now, so another process could be writing it
    began = time.monotonic()
    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(send, url) for _ in range(8)]
        wanted = {"media": [{"mxc": mxc.uri}, {"mxc": good.uri}]}
        with eva.http.stream("POST", f"{PREFIX}/bundle", json=wanted) as answer:
            assert next(answer.iter_raw()).startswith(b'{"part": 1, "status": 200, ')
        assert all(is_unavailable(answer.result()) for answer in answers)
    assert time.monotonic() - began < 6  # one timeout is 1.5 seconds
