"""What ``python3 build.py compare --load`` does: two hundred clients for five minutes, on this machine alone."""

import asyncio
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from development.synapse import Synapse
from tests.compare.runner import about
from tests.homeserver.support import Account, noise, wait_for
from tests.load.clients import Tally, crowd
from tests.load.process import memory_bytes, open_files
from tests.readme import write_figures
from tests.relay import free_port

CLIENTS, SECONDS, USERS = 200, 300.0, 40
SIZES = (*[20_000] * 40, *[400_000] * 10, 30_000_000)
FIGURES = "load.json"
LATEST = Path(__file__).with_name("latest.json")
PART = "load"
# What is to hold.
MOST_MEMORY, MOST_DELAY = 1.10, 1.2
_SETTLED_S = 60.0

# The module's own limits; the demonstration's homeserver knows none.
LIMITED: dict[str, Any] = {"rc_links": {}}


@dataclass
class Watched:
    """What was seen of the homeserver.

    :param memory: bytes, once a second while it was asked.
    :param files: open files before and after.
    :param idle_ms: how long ``whoami`` took while nobody else asked, and ``busy_ms`` meanwhile.
    """

    memory: list[int]
    files: tuple[int, int]
    idle_ms: list[float]
    busy_ms: list[float]

    @property
    def growth(self) -> float:
        """The last fifth's memory as a part of the second fifth's; the first is when caches fill."""
        fifth = max(1, len(self.memory) // 5)
        return statistics.median(self.memory[-fifth:]) / statistics.median(self.memory[fifth : 2 * fifth])

    @property
    def delay(self) -> float:
        """How much longer other endpoints took meanwhile, by their medians."""
        return statistics.median(self.busy_ms) / statistics.median(self.idle_ms)


def run(state: Path, out: Path, *, clients: int = CLIENTS, seconds: float = SECONDS) -> int:
    """Runs it; gives the exit status, which is 1 where something did not hold."""
    console = Console()
    shutil.rmtree(state, ignore_errors=True)  # its accounts have the same names each time
    with Synapse(state, free_port(), module_config=LIMITED) as synapse, console.status("Asking"):
        tally, watched = measure(synapse, clients, seconds)
    held = holds(tally, watched)
    figures = as_json(tally, watched, held, clients, seconds)
    out.mkdir(parents=True, exist_ok=True)
    write_figures(out / FIGURES, figures)
    for what, it_holds in held.items():
        console.print(f"{'holds' if it_holds else 'MISSED'}: {what}", highlight=False)
    return 0 if all(held.values()) else 1


def measure(synapse: Synapse, clients: int, seconds: float) -> tuple[Tally, Watched]:
    """Has a homeserver asked by so many clients for so long, and watches it."""
    accounts = [Account.new(synapse) for _ in range(min(USERS, clients))]
    greedy = Account.new(synapse)
    media = {accounts[0].upload(noise(size, str(number))).uri: size for number, size in enumerate(SIZES)}
    process_id = synapse.process_id
    assert process_id
    files = open_files(process_id)
    idle = asyncio.run(_whoami(synapse, accounts[0].token, seconds / 10))
    watched = Watched([], (files, files), idle, [])
    tokens = [account.token for account in accounts]

    async def all_at_once() -> Tally:
        watching = asyncio.create_task(_watch(process_id, watched))
        probing = asyncio.create_task(_whoami(synapse, tokens[0], seconds))
        tally = await crowd(synapse.port, tokens, greedy.token, media, clients, seconds)
        watching.cancel()
        watched.busy_ms = await probing
        return tally

    tally = asyncio.run(all_at_once())
    for account in (*accounts, greedy):
        account.http.close()
    wait_for(lambda: open_files(process_id) <= files, _SETTLED_S, "as many open files as before")
    watched.files = files, open_files(process_id)
    return tally, watched


def holds(tally: Tally, watched: Watched) -> dict[str, bool]:
    """What is to hold, in words, and whether it does."""
    limited, others = tally.statuses["grab", 429], tally.statuses["mint", 429]
    unread, refused = tally.statuses["unread", 200], tally.statuses["unread", 429]
    return {
        f"{tally.requests} requests, no error but the rate limit's own {tally.bad or ''}".strip(): not tally.bad,
        f"{limited} times somebody who asks without end is told to wait, and {others} times somebody else": (
            limited > 0 and not others
        ),
        f"{unread} bundles begun that nobody reads, {refused} more refused": unread > 0 and refused > 0,
        f"every answer is what was asked for {tally.wrong[:3] or ''}".strip(): not tally.wrong,
        f"memory grows to {watched.growth:.2f}, at most {MOST_MEMORY}": watched.growth <= MOST_MEMORY,
        f"{watched.files[0]} open files before and {watched.files[1]} after": watched.files[1] <= watched.files[0],
        f"other endpoints take {watched.delay:.2f} times as long, at most {MOST_DELAY}": watched.delay <= MOST_DELAY,
    }


def as_json(tally: Tally, watched: Watched, held: dict[str, bool], clients: int, seconds: float) -> dict[str, Any]:
    """``load.json``."""
    return {
        "about": {**about(None, 1), "clients": clients, "seconds": seconds},
        "statuses": {f"{action} {status}": count for (action, status), count in sorted(tally.statuses.items())},
        "holds": held,
        "memory": watched.memory,
        "idle_ms": statistics.median(watched.idle_ms),
        "busy_ms": statistics.median(watched.busy_ms),
    }


def table(figures: dict[str, Any]) -> str:
    """The table for the README."""
    about = figures["about"]
    what = f"{about['clients']} clients for {about['seconds'] / 60:.0f} minutes"
    lines = [f"| {what} | |", "|---|---|"]
    lines += [f"| {what} | {'holds' if held else '**missed**'} |" for what, held in figures["holds"].items()]
    return "\n".join(lines) + "\n"


async def _whoami(synapse: Synapse, token: str, seconds: float) -> list[float]:
    """Milliseconds that another endpoint takes, twice a second."""
    found = []
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=synapse.base_url, headers=headers, timeout=60) as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.perf_counter()
            (await client.get("/_matrix/client/v3/account/whoami")).raise_for_status()
            found.append((time.perf_counter() - start) * 1000)
            await asyncio.sleep(0.5)
    return found


async def _watch(process_id: int, watched: Watched) -> None:
    while True:
        watched.memory.append(memory_bytes(process_id))
        await asyncio.sleep(1)
