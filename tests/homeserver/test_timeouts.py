"""Clients that stop reading, and files whose length is not the recorded one."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock, call

import pytest
from twisted.internet.defer import ensureDeferred

from development.synapse import Synapse
from media_links.body_producer import BodyProducer
from tests.homeserver.support import (
    PAGE,
    Account,
    Mxc,
    abandoned_download,
    log_with,
    noise,
    on_linux,
    open_media,
    other_end,
    send,
    wait_for,
)

SIZE = 20_000_000


@pytest.fixture(scope="module")
def eva(short_timeouts: Synapse) -> Account:
    return Account.new(short_timeouts)


def stored_file(mxc: Mxc, synapse: Synapse) -> Path:
    (file,) = synapse.directory.glob(f"media/local_content/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/*")
    return file


@on_linux
def test_client_that_stops_reading_is_disconnected(short_timeouts: Synapse, eva: Account) -> None:
    url = eva.link(eva.upload(noise(SIZE), "video/mp4"))
    with abandoned_download(url) as connection:
        is_open = other_end(connection)
        assert is_open()
        wait_for(lambda: not open_media(short_timeouts), what="the file closed")
        wait_for(lambda: not is_open(), what="the connection closed")


@on_linux
def test_file_truncated_while_it_is_sent_closes_the_connection(short_timeouts: Synapse, eva: Account) -> None:
    """The client has received `Content-Length`, and must not take the truncated file for the whole."""
    mxc = eva.upload(noise(SIZE, "cut"), "video/mp4")
    received = 0
    with abandoned_download(eva.link(mxc)) as connection:
        # At once, before the client is disconnected for reading nothing: no more of the file is read than it receives.
        os.truncate(stored_file(mxc, short_timeouts), SIZE // 2)
        with suppress(ConnectionResetError):
            while chunk := connection.recv(1_000_000):
                received += len(chunk)
    assert received <= SIZE // 2
    wait_for(lambda: log_with(short_timeouts, "ended before its recorded length"), what="the file's end in the log")
    wait_for(lambda: not open_media(short_timeouts), what="the file closed")


@pytest.mark.parametrize("thumbnail", [{}, {"width": 32, "height": 32}])
def test_incomplete_file(short_timeouts: Synapse, eva: Account, thumbnail: dict[str, int]) -> None:
    mxc = eva.upload(noise(100_000, "incomplete"), "image/png")
    os.truncate(stored_file(mxc, short_timeouts), 50_000)
    answer = send(eva.link(mxc, **thumbnail))
    assert (answer.status, answer.error) == ((400 if thumbnail else 503), "M_UNKNOWN")
    assert answer.headers["cache-control"] == "no-store"
    assert thumbnail or answer.headers["retry-after"] == "5"
    assert not {"etag", "content-disposition", "accept-ranges"} & set(answer.headers)


def test_error_page_of_an_incomplete_file_has_retry_after(short_timeouts: Synapse, eva: Account) -> None:
    mxc = eva.upload(noise(100_000, "page"), "image/png")
    os.truncate(stored_file(mxc, short_timeouts), 50_000)
    answer = send(eva.link(mxc), headers=dict(PAGE))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_producer_of_a_closed_connection_is_closed() -> None:
    """Such a request has no connection that a producer could be registered with."""
    with BodyProducer(Mock(), Mock(spec=["_disconnected"], _disconnected=True)) as producer:
        assert producer.is_closed


def test_body_that_takes_longer_than_its_limit_is_aborted() -> None:
    """However steadily the client reads: else it would hold one of a limited number of responses for an hour."""
    clock, request = Mock(), Mock(_disconnected=False)
    clock.time.side_effect = [0.0, 299.0, 301.0]
    producer = BodyProducer(clock, request, chunk_bytes=1, stall_timeout_s=30.0, max_duration_s=300.0)
    ensureDeferred(producer.write(b"abc"))
    assert request.write.call_args_list == [call(b"a")]
    assert producer.is_closed
    request.channel.forceAbortClient.assert_called_once_with()


def test_file_that_is_still_being_written(short_timeouts: Synapse, eva: Account) -> None:
    """Another process may be fetching it from its homeserver or from a storage provider."""
    content = noise(100_000, "arriving")
    mxc = eva.upload(content, "video/mp4")
    url = eva.link(mxc)
    file = stored_file(mxc, short_timeouts)
    os.truncate(file, 50_000)
    with ThreadPoolExecutor() as threads:
        answers = [threads.submit(send, url) for _ in range(3)]
        assert not any(answer.done() for answer in answers)
        with file.open("r+b") as opened:
            opened.write(content)
        assert [answer.result().body == content for answer in answers] == [True] * 3
