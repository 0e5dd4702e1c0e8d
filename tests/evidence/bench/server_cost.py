"""Measures the CPU time that requests cost the homeserver: links against Synapse's own download, and all others."""

import base64
import hashlib
import hmac
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from tests.evidence.bench import goals
from tests.evidence.bench.benchmark import Benchmark, Row
from tests.evidence.bench.environment import BenchmarkEnvironment
from tests.evidence.bench.large_video import upload_padded_video

OURS = "/_matrix/client/unstable/dev.authmedia/media"
BATCH, BUNDLE = 100, 200
_SMALL, _LARGE = 1000, 3
# Many, since the kernel counts processor time in steps of 10 ms.
_LARGE_PROXIED = 200
_ROUNDS = 5


def server(benchmark: Benchmark) -> Iterator[Row]:
    """CPU time of Synapse per request, behind a link and by its own download."""
    if not Path("/proc").exists():
        return  # needs Linux's /proc
    with CpuMeter(benchmark.environment) as cost:
        film = upload_padded_video(benchmark.environment)
        for name, mxc, times, goal in (
            ("a small file", benchmark.environment.media[0], _SMALL, goals.SMALL_FILE),
            ("100 MB", film, _LARGE, goals.LARGE_FILE),
        ):
            link, download = cost.link(mxc), cost.download(mxc)
            yield benchmark.row(
                f"Synapse's processor time, {name} behind a link",
                "Synapse's own authenticated download",
                goal,
                partial(cost.of, link, times),
                partial(cost.of, download, times),
            )
        if benchmark.environment.proxy:
            yield benchmark.row(
                "Synapse's processor time, 100 MB behind a link that nginx sends (`offload: x-accel`)",
                "Synapse's own authenticated download",
                goals.OFFLOADED,
                partial(cost.of, cost.proxied_link(film), _LARGE_PROXIED, whole=False),
                partial(cost.of, cost.download(film), _LARGE),
            )


def costs(environment: BenchmarkEnvironment) -> dict[str, float]:
    """Returns CPU milliseconds per request of each kind that strategies use; empty without Linux's /proc.

    These are medians of several rounds of all kinds, because the machine's speed changes over time.
    """
    if not Path("/proc").exists():
        return {}
    mxc = environment.media[0]
    with CpuMeter(environment) as cost:
        asked = {
            "preflight": (cost.preflight(mxc), _SMALL),
            "download": (cost.download(mxc), _SMALL),
            "signed": (cost.link(mxc), _SMALL),
            "cookie": (cost.by_cookie(mxc), _SMALL),
            "query": (cost.by_query(mxc), _SMALL),
            "links": (cost.batch("/links", BATCH), _SMALL // 10),
            "bundle": (cost.batch("/bundle", BUNDLE), _SMALL // 10),
        }
        rounds = [
            {name: cost.of(request, times // _ROUNDS) for name, (request, times) in asked.items()}
            for _ in range(_ROUNDS)
        ]
    return {name: median(found[name] for found in rounds) for name in asked}


class CpuMeter:
    """Repeats a request and measures the homeserver's CPU time."""

    def __init__(self, environment: BenchmarkEnvironment) -> None:
        self._stage = environment
        self._headers = {"Authorization": f"Bearer {environment.session['token']}"}
        # The certificate of nginx is its own.
        self._client = httpx.Client(base_url=environment.synapse.base_url, timeout=120, verify=False)

    def __enter__(self) -> "CpuMeter":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._client.close()

    def of(self, request: dict[str, Any], times: int, *, whole: bool = True) -> float:
        """Returns CPU milliseconds per request; the first request, which fills caches, does not count.

        :param whole: whether bodies are read to their end. Where another server sends them, the homeserver does
            meanwhile what it does when nothing is requested of it, and that does not count.
        """
        before = 0.0
        for number in range(times + 1):
            if number == 1:
                before = _processor_s(self._stage.synapse.process_id)
            with self._client.stream(**request) as answer:
                answer.raise_for_status()
                for _ in answer.iter_raw():
                    if not whole:
                        break
        return (_processor_s(self._stage.synapse.process_id) - before) / times * 1000

    def download(self, mxc: str) -> dict[str, Any]:
        """Synapse's own download with the Authorization header."""
        url = f"/_matrix/client/v1/media/download/{mxc.removeprefix('mxc://')}"
        return {"method": "GET", "url": url, "headers": self._headers}

    def preflight(self, mxc: str) -> dict[str, Any]:
        """The CORS preflight of a download."""
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        return {**self.download(mxc), "method": "OPTIONS", "headers": {"Origin": "http://localhost", **asked}}

    def link(self, mxc: str) -> dict[str, Any]:
        """A download by a link minted before."""
        answer = self._client.post(OURS + "/links", json={"media": [{"mxc": mxc}]}, headers=self._headers)
        return {"method": "GET", "url": str(answer.raise_for_status().json()["links"][0]["url"])}

    def proxied_link(self, mxc: str) -> dict[str, Any]:
        """A download by a link, through nginx."""
        assert self._stage.proxy
        path = self.link(mxc)["url"].partition(self._stage.synapse.base_url)[2]
        return {"method": "GET", "url": f"https://127.0.0.1:{self._stage.proxy.port}{path}"}

    def batch(self, path: str, count: int) -> dict[str, Any]:
        """A batch of links, or a bundle of thumbnails."""
        thumbnail = {"width": 32, "height": 32, "method": "crop"}
        media = [self._stage.media[number % len(self._stage.media)] for number in range(count)]
        body = {"media": [{"mxc": mxc, "thumbnail": thumbnail} for mxc in media]}
        return {"method": "POST", "url": OURS + path, "json": body, "headers": self._headers}

    def by_cookie(self, mxc: str) -> dict[str, Any]:
        """A download of the baseline `cookie`."""
        answer = self._client.post(OURS + "/cookie", json={}, headers=self._headers).raise_for_status()
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        self._client.cookies.clear()
        url = f"{OURS}/cookie/{mxc.removeprefix('mxc://')}"
        return {"method": "GET", "url": url, "headers": {"Cookie": cookie}}

    def by_query(self, mxc: str) -> dict[str, Any]:
        """A download of the baseline `signed_query`."""
        offer = self._client.get(OURS + "/config", headers=self._headers).raise_for_status().json()["signed_query"]
        moment = str(offer["now_ms"])
        digest = hmac.digest(self._stage.session["token"].encode(), moment.encode(), hashlib.sha256)
        proof = base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
        query = f"token_id={offer['token_id']}&time={moment}&h={proof}"
        return {"method": "GET", "url": f"{OURS}/query/{mxc.removeprefix('mxc://')}?{query}"}


def _processor_s(process_id: int | None) -> float:
    """Returns the CPU seconds used by all threads of a process."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
