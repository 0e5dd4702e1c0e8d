"""The module's counters at Synapse's own listener for metrics."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from development.synapse import Synapse
from tests.homeserver.support import PREFIX, Account, Mxc, send, wait_for
from tests.homeserver.test_bundle import request_bundle


def counters(port: int) -> dict[str, float]:
    """Returns the values of the module's counters, by name and labels, without the label of the server's name."""
    lines = httpx.get(f"http://127.0.0.1:{port}/_synapse/metrics").raise_for_status().text.splitlines()
    pairs = [line.rpartition(" ") for line in lines if line.startswith("media_links_")]
    return {re.sub(r',?server_name="localhost"', "", name): float(value) for name, _, value in pairs}


def test_counters(baselines: Synapse, metrics_port: int, mia: Account, video: Mxc, still: Mxc) -> None:
    before = counters(metrics_port)
    url = mia.links({"mxc": video.uri}, {"mxc": "mxc://../x"})[0]["url"]
    size = len(send(url).body)
    send(url, headers={"Range": "bytes=0-9"})
    send(url + "x")
    request_bundle(mia, {"mxc": still.uri})
    httpx.post(f"{baselines.base_url}{PREFIX}/links", json={"media": []})

    def counted() -> dict[str, float]:
        now = counters(metrics_port)
        return {name: value - before.get(name, 0) for name, value in now.items() if "_total" in name}

    expected = {
        "media_links_minted_total{}": 1,
        'media_links_responses_total{endpoint="Links",status="200"}': 1,
        'media_links_responses_total{endpoint="Links",status="401"}': 1,
        'media_links_responses_total{endpoint="SignedMedia",status="200"}': 1,
        'media_links_responses_total{endpoint="SignedMedia",status="206"}': 1,
        'media_links_responses_total{endpoint="SignedMedia",status="403"}': 1,
        'media_links_responses_total{endpoint="Bundle",status="200"}': 1,
        'media_links_refusals_total{endpoint="SignedMedia",errcode="M_FORBIDDEN"}': 1,
        'media_links_sent_bytes_total{endpoint="SignedMedia"}': size + 10,
    }
    wait_for(lambda: expected.items() <= counted().items(), 5, "the end of all responses")
    assert counted()['media_links_sent_bytes_total{endpoint="Bundle"}'] > 0


def test_concurrent_media_of_a_new_session_share_its_check(baselines: Synapse, metrics_port: int, still: Mxc) -> None:
    account = Account.new(baselines)
    urls = [link["url"] for link in account.links(*({"mxc": still.uri, "width": n, "height": 9} for n in range(1, 41)))]

    def queries() -> float:
        text = httpx.get(f"http://127.0.0.1:{metrics_port}/_synapse/metrics").raise_for_status().text
        pattern = r'^synapse_storage_transaction_time_count_total\{desc="media_links_token".*\} (.*)$'
        return sum(float(value) for value in re.findall(pattern, text, re.MULTILINE))

    before, start = queries(), time.monotonic()
    with ThreadPoolExecutor(len(urls)) as threads:
        assert {answer.status for answer in threads.map(send, urls)} == {200}
    # The result is cached for two seconds.
    assert 1 <= queries() - before <= 1 + (time.monotonic() - start) // 2
