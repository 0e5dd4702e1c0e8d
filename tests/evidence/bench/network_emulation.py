"""Emulates a network: a TCP relay that adds round-trip time and limits bandwidth.

It runs in its own process, so that it does not compete with the measured code::

    python -m tests.evidence.bench.network_emulation 8008 --round-trip-ms 100 --bits-per-s 20000000

It prints its port, and then, for each line on its input, the number of bytes sent to the browser since the last one.
"""

import argparse
import asyncio
import subprocess
import sys
from pathlib import Path

_CHUNK = 16 * 1024
# Chunks in flight per direction of a connection: more than the bandwidth-delay product of all networks emulated, and
# few enough that a client that disconnects leaves little behind.
_MAX_CHUNKS_IN_FLIGHT = 64
_ROOT = Path(__file__).resolve().parents[3]


class EmulatedNetwork:
    """A running relay process.

    >>> with Distance(8008, round_trip_ms=100) as far:
    ...     httpx.get(f"http://127.0.0.1:{far.port}/_matrix/client/versions")

    :param port: the target port.
    :param round_trip_ms: delay added to every round trip, that of connecting included.
    :param bits_per_s: bandwidth of all connections together towards the browser; 0 for no limit.
    """

    def __init__(self, port: int, *, round_trip_ms: float = 0, bits_per_s: float = 0) -> None:
        command = [sys.executable, "-m", "tests.evidence.bench.network_emulation", str(port)]
        given = ["--round-trip-ms", str(round_trip_ms), "--bits-per-s", str(bits_per_s)]
        self._process = subprocess.Popen(
            [*command, *given], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = self._read()

    def __enter__(self) -> "EmulatedNetwork":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def take_byte_count(self) -> int:
        """Returns the number of bytes sent to the browser since the last call."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())


class _Direction:
    """One direction, shared by all connections."""

    def __init__(self, one_way_s: float, bytes_per_s: float) -> None:
        self.one_way_s = one_way_s
        self.byte_count = 0
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0

    async def wait(self, size: int) -> None:
        """Waits until the emulated bandwidth has transferred so many bytes."""
        self.byte_count += size
        if self._bytes_per_s:
            now = asyncio.get_running_loop().time()
            self._free_at = max(now, self._free_at) + size / self._bytes_per_s
            await asyncio.sleep(self._free_at - now)


class _Relay:
    def __init__(self, port: int, round_trip_s: float, bits_per_s: float) -> None:
        self._port = port
        self._round_trip_s = round_trip_s
        self._up = _Direction(round_trip_s / 2, 0)
        self.down = _Direction(round_trip_s / 2, bits_per_s / 8)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self._round_trip_s)  # the TCP handshake
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.gather(_carry(reader, there_writer, self._up), _carry(there_reader, writer, self.down))
        except ConnectionError:
            pass  # one side closed its connection, so close the other
        finally:
            for end in (writer, there_writer):
                end.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lane: _Direction) -> None:
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MAX_CHUNKS_IN_FLIGHT)
    loop = asyncio.get_running_loop()

    async def take() -> None:
        chunk = b"something"
        while chunk:
            try:
                chunk = await reader.read(_CHUNK)
            except ConnectionError:
                chunk = b""  # the end, for the task that writes
            await queue.put((loop.time() + lane.one_way_s, chunk))

    taking = asyncio.create_task(take())
    try:
        while True:
            due, chunk = await queue.get()
            await asyncio.sleep(due - loop.time())
            if not chunk:
                break
            await lane.wait(len(chunk))
            writer.write(chunk)
            await writer.drain()
    finally:
        taking.cancel()
    if writer.can_write_eof():
        writer.write_eof()


async def _serve(port: int, round_trip_s: float, bits_per_s: float) -> None:
    relay = _Relay(port, round_trip_s, bits_per_s)
    server = await asyncio.start_server(relay.connect, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    told = 0
    while await asyncio.to_thread(sys.stdin.readline):
        print(relay.down.byte_count - told, flush=True)
        told = relay.down.byte_count


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--round-trip-ms", type=float, default=0)
    parser.add_argument("--bits-per-s", type=float, default=0)
    given = parser.parse_args()
    asyncio.run(_serve(given.port, given.round_trip_ms / 1000, given.bits_per_s))
