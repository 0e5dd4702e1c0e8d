"""Clients that take nothing any more, and files that are not what the database says."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest

from development.synapse import Synapse
from media_links.body_producer import BodyProducer
from tests.homeserver.support import (
    PAGE,
    Account,
    Mxc,
    abandoned_download,
    noise,
    on_linux,
    open_media,
    other_end,
    send,
    standing_still,
    wait_for,
)

SIZE = 20_000_000


@pytest.fixture(scope="module")
def eva(impatient: Synapse) -> Account:
    return Account.new(impatient)


def stored(mxc: Mxc, synapse: Synapse) -> Path:
    (file,) = synapse.directory.glob(f"media/local_content/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/*")
    return file


@on_linux
def test_client_that_takes_nothing_any_more_is_cut_off(impatient: Synapse, eva: Account) -> None:
    url = eva.link(eva.upload(noise(SIZE), "video/mp4"))
    with abandoned_download(url) as connection:
        is_open = other_end(connection)
        assert is_open()
        wait_for(lambda: not open_media(impatient), what="the file closed")
        wait_for(lambda: not is_open(), what="the connection closed")


@on_linux
def test_file_that_is_cut_while_it_is_sent_ends_the_connection(impatient: Synapse, eva: Account) -> None:
    """The client was told the whole length: it must not take what there is for the whole."""
    mxc = eva.upload(noise(SIZE, "cut"), "video/mp4")
    received = 0
    with abandoned_download(eva.link(mxc)) as connection:
        wait_for(lambda: standing_still(impatient), what="a homeserver that waits for its client")
        os.truncate(stored(mxc, impatient), SIZE // 2)
        with suppress(ConnectionResetError):
            while chunk := connection.recv(1_000_000):
                received += len(chunk)
    assert received <= SIZE // 2
    wait_for(lambda: not open_media(impatient), what="the file closed")


@pytest.mark.parametrize("thumbnail", [{}, {"width": 32, "height": 32}])
def test_incomplete_file(impatient: Synapse, eva: Account, thumbnail: dict[str, int]) -> None:
    mxc = eva.upload(noise(100_000, "incomplete"), "image/png")
    os.truncate(stored(mxc, impatient), 50_000)
    answer = send(eva.link(mxc, **thumbnail))
    assert (answer.status, answer.error) == ((400 if thumbnail else 503), "M_UNKNOWN")
    assert answer.headers["cache-control"] == "no-store"
    assert thumbnail or answer.headers["retry-after"] == "5"
    assert not {"etag", "content-disposition", "accept-ranges"} & set(answer.headers)


def test_person_who_opens_an_incomplete_file_is_told_when_to_come_again(impatient: Synapse, eva: Account) -> None:
    mxc = eva.upload(noise(100_000, "page"), "image/png")
    os.truncate(stored(mxc, impatient), 50_000)
    answer = send(eva.link(mxc), headers=dict(PAGE))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_nothing_is_begun_for_who_has_hung_up_already() -> None:
    """Such a request has no connection any more that could be asked for room."""
    with BodyProducer(Mock(), Mock(spec=["_disconnected"], _disconnected=True)) as producer:
        assert producer.is_closed


def test_file_that_is_still_being_written(impatient: Synapse, eva: Account) -> None:
    """Another process may be fetching it from its server, or from a storage provider, at this moment."""
    content = noise(100_000, "arriving")
    mxc = eva.upload(content, "video/mp4")
    url = eva.link(mxc)
    file = stored(mxc, impatient)
    os.truncate(file, 50_000)
    with ThreadPoolExecutor() as threads:
        answers = [threads.submit(send, url) for _ in range(3)]
        assert not any(answer.done() for answer in answers)
        with file.open("r+b") as opened:
            opened.write(content)
        assert [answer.result().body == content for answer in answers] == [True] * 3
