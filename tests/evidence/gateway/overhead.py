"""What the gateway costs: the time of downloads through it against direct ones, and its memory under load.

    PYTHONPATH=homeserver:pyapp .venv/bin/python -m tests.evidence.gateway.overhead [--pairs N] [--film-mb N]

Each pair downloads the same media directly and through the gateway, in turn. "First" is a media that the gateway has
not seen before, "again" one that it has on disk. The machine should be idle.
"""

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from development.synapse import Synapse
from tests.evidence.load.process_stats import memory_bytes
from tests.gateway.conftest import GatewayedSynapse
from tests.gateway.process import Gateway
from tests.homeserver.support import Account, Mxc, noise
from tests.relay import free_port

SMALL_BYTES = 20_000
GOALS = {"small, first": 1.5, "small, again": 1.5, "film, first": 1.2, "film, again": 1.2, "memory": 1.1}
_SMALL_PER_PAIR = 20
_CHUNK = memoryview(bytearray(1024 * 1024))


@dataclass
class Download:
    """One way to a media: a URL's path at a port, with headers."""

    port: int
    path: str
    headers: dict[str, str]


def measure(pairs: int, film_bytes: int, seconds: float) -> dict[str, list[float]]:
    """Returns the ratios of all pairs, and of the memory after and before the load."""
    ratios: dict[str, list[float]] = {what: [] for what in GOALS}
    with tempfile.TemporaryDirectory() as folder:
        extra = {"modules": []}
        with Synapse(Path(folder) / "synapse", free_port(), extra_config=extra) as synapse:
            homeserver = f"http://127.0.0.1:{synapse.port}"
            options: dict[str, Any] = {"links_per_second": 10_000, "links_burst": 100_000}
            with Gateway(Path(folder) / "gateway", homeserver, **options) as gateway:
                account = Account.new(cast(Synapse, GatewayedSynapse(synapse, gateway)))
                for number in range(pairs):
                    _measure_pair(account, synapse.port, ratios, "small", SMALL_BYTES, _SMALL_PER_PAIR, number)
                    _measure_pair(account, synapse.port, ratios, "film", film_bytes, 1, number)
                if seconds:
                    ratios["memory"].append(_measure_memory(account, gateway, seconds))
    return ratios


def _measure_pair(
    account: Account, port: int, ratios: dict[str, list[float]], kind: str, size: int, count: int, number: int
) -> None:
    files = [account.upload(noise(size, f"{kind} {number} {index}"), "video/mp4") for index in range(count)]
    direct = [_direct(account, port, mxc) for mxc in files]
    linked = [_linked(account, mxc) for mxc in files]
    turns: list[tuple[str, Callable[[], float]]] = [
        ("direct", lambda: _duration(direct, size)),
        ("first", lambda: _duration(linked, size)),
        ("again", lambda: _duration(linked, size)),
    ]
    if number % 2:  # the order matters to the caches of the machine
        turns = [turns[1], turns[0], turns[2]]
    took = {name: turn() for name, turn in turns}
    for name in ("first", "again"):
        ratios[f"{kind}, {name}"].append(took[name] / took["direct"])


def _direct(account: Account, port: int, mxc: Mxc) -> Download:
    path = f"/_matrix/client/v1/media/download/{mxc.names}"
    return Download(port, path, {"Authorization": f"Bearer {account.token}"})


def _linked(account: Account, mxc: Mxc) -> Download:
    return Download(account.synapse.port, "/" + account.link(mxc).split("/", 3)[3], {})


def _duration(downloads: list[Download], size: int) -> float:
    """Returns how long these downloads take, one after another over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", downloads[0].port, timeout=120)
    connection.connect()
    began = time.perf_counter()
    for download in downloads:
        _receive(connection, download, size)
    took = time.perf_counter() - began
    connection.close()
    return took


def _receive(connection: http.client.HTTPConnection, download: Download, size: int) -> None:
    connection.request("GET", download.path, headers=download.headers)
    response = connection.getresponse()
    received = 0
    while count := response.readinto(_CHUNK):
        received += count
    assert (response.status, received) == (200, size)


def _measure_memory(account: Account, gateway: Gateway, seconds: float) -> float:
    """Returns the gateway's memory after a load of so long, against that after a fifth of it."""
    films = [account.upload(noise(2_000_000, f"load {index}"), "video/mp4") for index in range(20)]
    downloads = [_linked(account, mxc) for mxc in films]
    ends = time.monotonic() + seconds

    def request_all(offset: int) -> None:
        while time.monotonic() < ends:
            _duration(downloads[offset:] + downloads[:offset], 2_000_000)

    with ThreadPoolExecutor(16) as threads:
        clients = [threads.submit(request_all, index) for index in range(16)]
        time.sleep(seconds / 5)
        before = memory_bytes(gateway.process_id)
        for client in clients:
            client.result()
    return memory_bytes(gateway.process_id) / before


def main() -> int:
    """Prints each ratio beside its goal; returns 1 if one is missed."""
    parser = argparse.ArgumentParser(description="Measures what the gateway costs.")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--film-mb", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    ratios = measure(options.pairs, options.film_mb * 1_000_000, options.seconds)
    medians = {what: statistics.median(values) for what, values in ratios.items() if values}
    for what, median in medians.items():
        values = ratios[what]
        verdict = "reached" if median <= GOALS[what] else "missed"
        print(f"{what}: {median:.2f} ({min(values):.2f} to {max(values):.2f}), at most {GOALS[what]}: {verdict}")
    print(json.dumps(ratios))
    return int(any(median > GOALS[what] for what, median in medians.items()))


if __name__ == "__main__":
    sys.exit(main())
