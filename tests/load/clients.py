"""Many clients of one homeserver at once: they ask for links, fetch what these lead to, and hang up halfway."""

import asyncio
import json
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PREFIX = "/_matrix/client/unstable/dev.authmedia/media"
# How long a client looks at what it got before it asks again, in seconds, on average.
THINKS_S = 2.0
_LONGEST_S = 30.0
_BATCH = 20
# Somebody's script that asks without end: so many requests at a time, so soon after each other, in seconds.
_GREEDY, _GREEDY_S = 3, 0.05
# Bundles that are not read: so many at a time, each for so many seconds, and the pause after a refusal.
_UNREAD, _UNREAD_S, _REFUSED_S = 30, 20.0, 1.0
_IN_A_BUNDLE = 500_000


@dataclass
class Tally:
    """What came of all requests.

    :param statuses: how often each action was answered with each status, ``0`` for no answer at all.
    :param wrong: answers that were not what was asked for, in words.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self.statuses.total()

    @property
    def bad(self) -> dict[str, int]:
        """Answers that nobody should get; to be told to wait is none of them."""
        return {f"{action}: {status}": count for (action, status), count in self.statuses.items() if status not in GOOD}


GOOD = (200, 206, 429)


class Client:
    """One of them.

    :param port: the homeserver's.
    :param token: whose session it is.
    :param media: sizes of what it can ask for, by ``mxc://``.
    """

    def __init__(self, port: int, token: str, media: dict[str, int], tally: Tally, seed: int) -> None:
        self._port = port
        self._token = token
        self._media = media
        self._tally = tally
        self._chance = random.Random(seed)
        self._links: list[tuple[str, int]] = []

    async def run(self, seconds: float) -> None:
        """Asks, looks, and asks again, for so many seconds."""
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.sleep(self._chance.uniform(0, min(THINKS_S, seconds)))  # not all at the same moment
        while asyncio.get_running_loop().time() < end:
            actions, weights = (self.mint, self.part, self.whole, self.hang_up), (2, 4, 3, 1)
            action = self._chance.choices(actions, weights)[0] if self._links else self.mint
            try:
                await asyncio.wait_for(action(), _LONGEST_S)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self._tally.statuses[action.__name__, 0] += 1
            await asyncio.sleep(self._chance.expovariate(1 / THINKS_S))

    async def mint(self) -> None:
        """Asks for links to some of the media."""
        wanted = self._chance.sample(list(self._media), min(_BATCH, len(self._media)))
        status, answer = await self._ask_for_links("mint", wanted)
        if status == 200:
            links = json.loads(answer)["links"]
            self._links = [(self._path(link["url"]), self._media[mxc]) for mxc, link in zip(wanted, links, strict=True)]

    async def part(self) -> None:
        """Fetches a range, as a video does that is sought in."""
        path, size = self._chance.choice(self._links)
        start = self._chance.randrange(size)
        length = min(self._chance.randrange(1, 100_000), size - start)
        head = f"GET {path} HTTP/1.1\r\nRange: bytes={start}-{start + length - 1}\r\n"
        self._look("part", *await self._ask("part", head), length)

    async def whole(self) -> None:
        """Fetches all of a media."""
        path, size = self._chance.choice(self._links)
        self._look("whole", *await self._ask("whole", f"GET {path} HTTP/1.1\r\n"), size)

    async def hang_up(self) -> None:
        """Begins to fetch a media, and goes away."""
        path, _ = max(self._links, key=lambda link: link[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status = (await reader.readline()).split()
        self._tally.statuses["hang_up", int(status[1]) if len(status) > 1 else 0] += 1
        writer.transport.abort()

    async def _ask_for_links(self, action: str, wanted: list[str]) -> tuple[int, bytes]:
        body = json.dumps({"media": [{"mxc": mxc} for mxc in wanted]}).encode()
        # HTTP/1.0, in which nothing comes in chunks.
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
    """One that asks for links without end, faster than it may."""

    async def run(self, seconds: float) -> None:
        """Asks for so many seconds."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await self._ask_for_links("grab", [next(iter(self._media))])
            await asyncio.sleep(_GREEDY_S)


class UnreadBundleClient(Client):
    """One that asks for bundles and reads none of them: each holds what the homeserver has read for it."""

    async def run(self, seconds: float) -> None:
        """Asks for so many seconds, again whenever its bundle is aborted."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await self._ask_for_bundle(end - asyncio.get_running_loop().time())

    async def _ask_for_bundle(self, seconds: float) -> None:
        wanted = [mxc for mxc, size in self._media.items() if size < _IN_A_BUNDLE] * 2
        body = json.dumps({"media": [{"mxc": mxc} for mxc in wanted]}).encode()
        head = f"POST {PREFIX}/bundle HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._token}\r\n"
        # A reader that is paused, with next to no buffer: the bundle stands still.
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


async def crowd(port: int, tokens: list[str], greedy: str, media: dict[str, int], count: int, seconds: float) -> Tally:
    """So many clients for so many seconds, each with the next of the sessions.

    :param greedy: a session of its own, whose clients ask without end and leave bundles unread.
    """
    tally = Tally()
    clients = [Client(port, tokens[number % len(tokens)], media, tally, number) for number in range(count)]
    clients += [GreedyClient(port, greedy, media, tally, count + number) for number in range(_GREEDY)]
    clients += [UnreadBundleClient(port, greedy, media, tally, count + number) for number in range(_UNREAD)]
    await asyncio.gather(*[client.run(seconds) for client in clients])
    return tally
