"""Simulated concurrent clients of one homeserver: they request links, download by them, and disconnect early."""

import asyncio
import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PREFIX = "/_matrix/client/unstable/dev.authmedia/media"
# Mean pause of a client between two actions, in seconds.
THINKS_S = 2.0
_LONGEST_S = 30.0
_BATCH = 20
# A script that exceeds the rate limit: number of its clients, and seconds between two requests of each.
_GREEDY, _GREEDY_S = 3, 0.05
# Bundles that are not read: so many at a time, each for so many seconds, and the pause after a refusal.
_UNREAD, _UNREAD_S, _REFUSED_S = 30, 20.0, 1.0
_IN_A_BUNDLE = 500_000


@dataclass
class Tally:
    """Outcomes of all requests.

    :param statuses: number of responses by action and status; ``0`` for no response.
    :param wrong: descriptions of responses with wrong content.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """Number of requests."""
        return self.statuses.total()

    @property
    def bad(self) -> dict[str, int]:
        """Number of error responses by action and status; 429 is no error."""
        return {f"{action}: {status}": count for (action, status), count in self.statuses.items() if status not in GOOD}


GOOD = (200, 206, 429)


class Client:
    """A simulated client.

    :param port: the homeserver's port.
    :param token: an access token.
    :param media: sizes of the media that it can request, by ``mxc://`` URI.
    """

    def __init__(self, port: int, token: str, media: dict[str, int], tally: Tally, seed: int) -> None:
        self._port = port
        self._token = token
        self._media = media
        self._tally = tally
        self._rng = random.Random(seed)
        self._links: list[tuple[str, int]] = []

    async def run(self, seconds: float) -> None:
        """Performs random actions with pauses, for so many seconds."""
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.sleep(self._rng.uniform(0, min(THINKS_S, seconds)))  # spreads the clients' starts
        while asyncio.get_running_loop().time() < end:
            actions, weights = (self.mint, self.part, self.whole, self.hang_up), (2, 4, 3, 1)
            action = self._rng.choices(actions, weights)[0] if self._links else self.mint
            try:
                await asyncio.wait_for(action(), _LONGEST_S)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self._tally.statuses[action.__name__, 0] += 1
            await asyncio.sleep(self._rng.expovariate(1 / THINKS_S))

    async def mint(self) -> None:
        """Requests links to some of the media."""
        wanted = self._rng.sample(list(self._media), min(_BATCH, len(self._media)))
        status, answer = await self._ask_for_links("mint", wanted)
        if status == 200:
            links = json.loads(answer)["links"]
            self._links = [(self._path(link["url"]), self._media[mxc]) for mxc, link in zip(wanted, links, strict=True)]

    async def part(self) -> None:
        """Requests a byte range, as a seek in a video does."""
        path, size = self._rng.choice(self._links)
        start = self._rng.randrange(size)
        length = min(self._rng.randrange(1, 100_000), size - start)
        head = f"GET {path} HTTP/1.1\r\nRange: bytes={start}-{start + length - 1}\r\n"
        self._look("part", *await self._ask("part", head), length)

    async def whole(self) -> None:
        """Downloads media completely."""
        path, size = self._rng.choice(self._links)
        self._look("whole", *await self._ask("whole", f"GET {path} HTTP/1.1\r\n"), size)

    async def hang_up(self) -> None:
        """Starts a download and disconnects."""
        path, _ = max(self._links, key=lambda link: link[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status = (await reader.readline()).split()
        self._tally.statuses["hang_up", int(status[1]) if len(status) > 1 else 0] += 1
        writer.transport.abort()

    async def _ask_for_links(self, action: str, wanted: list[str]) -> tuple[int, bytes]:
        body = json.dumps({"media": [{"mxc": mxc} for mxc in wanted]}).encode()
        # HTTP/1.0, so that the response is not chunked.
        head = f"POST {PREFIX}/links HTTP/1.0\r\nAuthorization: Bearer {self._token}\r\nContent-Length: {len(body)}\r\n"
        return await self._ask(action, head, body)

    async def _ask(self, action: str, head: str, body: bytes = b"") -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(f"{head}Host: localhost\r\nConnection: close\r\n\r\n".encode() + body)
            top = await reader.readuntil(b"\r\n\r\n")
            status = int(top.split()[1])
            self._tally.statuses[action, status] += 1
            return status, await reader.read()
        finally:
            writer.close()

    def _look(self, action: str, status: int, content: bytes, size: int) -> None:
        if status in (200, 206) and len(content) != size:
            self._tally.wrong.append(f"{action}: {len(content)} bytes in the place of {size}")

    @staticmethod
    def _path(url: str) -> str:
        parts = urlsplit(url)
        return f"{parts.path}?{parts.query}"


class GreedyClient(Client):
    """A client that requests links faster than the rate limit."""

    async def run(self, seconds: float) -> None:
        """Requests links for so many seconds."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await self._ask_for_links("grab", [next(iter(self._media))])
            await asyncio.sleep(_GREEDY_S)


class UnreadBundleClient(Client):
    """A client that requests bundles and reads none of them."""

    async def run(self, seconds: float) -> None:
        """Requests bundles for so many seconds, another one whenever one is aborted."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await self._ask_for_bundle(end - asyncio.get_running_loop().time())

    async def _ask_for_bundle(self, seconds: float) -> None:
        wanted = [mxc for mxc, size in self._media.items() if size < _IN_A_BUNDLE] * 2
        body = json.dumps({"media": [{"mxc": mxc} for mxc in wanted]}).encode()
        head = f"POST {PREFIX}/bundle HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._token}\r\n"
        # With next to no buffer for the response, which is not read.
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1024)
        try:
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            status = int((await reader.readline()).split()[1])
            self._tally.statuses["unread", status] += 1
            wait_s = min(seconds, _UNREAD_S if status == 200 else _REFUSED_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), wait_s)
        finally:
            writer.transport.abort()


async def run_clients(
    port: int, tokens: list[str], greedy: str, media: dict[str, int], count: int, seconds: float
) -> Tally:
    """Runs ``count`` clients for so many seconds, which share the sessions evenly.

    :param greedy: access token of the clients that exceed the rate limit and leave bundles unread.
    """
    tally = Tally()
    clients = [Client(port, tokens[number % len(tokens)], media, tally, number) for number in range(count)]
    clients += [GreedyClient(port, greedy, media, tally, count + number) for number in range(_GREEDY)]
    clients += [UnreadBundleClient(port, greedy, media, tally, count + number) for number in range(_UNREAD)]
    await asyncio.gather(*[client.run(seconds) for client in clients])
    return tally
