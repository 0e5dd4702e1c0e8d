"""The command ``python3 build.py compare --load``: two hundred clients for five minutes."""

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
from tests.evidence.documents import write_figures
from tests.evidence.load.clients import Tally, run_clients
from tests.evidence.load.process_stats import memory_bytes, open_files
from tests.evidence.run_conditions import about
from tests.homeserver.support import Account, noise, wait_for
from tests.relay import free_port

CLIENTS, SECONDS, USERS = 200, 300.0, 40
SIZES = (*[20_000] * 40, *[400_000] * 10, 30_000_000)
FIGURES = "load.json"
LATEST = Path(__file__).with_name("latest.json")
PART = "load"
# Upper limits: growth of memory, and delay of other endpoints, each relative.
MOST_MEMORY, MOST_DELAY = 1.10, 1.2
_SETTLED_S = 60.0

# The module's default rate limits, which the development homeserver disables.
LIMITED: dict[str, Any] = {"rc_links": {}}


@dataclass
class ServerStats:
    """Statistics of the homeserver's process.

    :param memory: resident bytes, sampled once a second during the load.
    :param files: number of open files before and after.
    :param kept: how many of them may be connections to another server that are kept for its next request.
    :param idle_ms: response times of ``whoami`` without load, and ``busy_ms`` under load.
    """

    memory: list[int]
    files: tuple[int, int]
    idle_ms: list[float]
    busy_ms: list[float]
    kept: int = 0

    @property
    def growth(self) -> float:
        """Memory in the last fifth relative to the second fifth; caches fill in the first."""
        fifth = max(1, len(self.memory) // 5)
        return statistics.median(self.memory[-fifth:]) / statistics.median(self.memory[fifth : 2 * fifth])

    @property
    def delay(self) -> float:
        """Median response time of another endpoint under load, relative to that without load."""
        return statistics.median(self.busy_ms) / statistics.median(self.idle_ms)


def run(state: Path, out: Path, *, clients: int = CLIENTS, seconds: float = SECONDS) -> int:
    """Runs the load test; returns the exit status, which is 1 if a condition failed."""
    console = Console()
    shutil.rmtree(state, ignore_errors=True)  # account names are the same in each run
    with Synapse(state, free_port(), module_config=LIMITED) as synapse, console.status("Asking"):
        tally, stats = measure(synapse, clients, seconds)
    held = holds(tally, stats)
    figures = as_json(tally, stats, held, clients, seconds)
    out.mkdir(parents=True, exist_ok=True)
    write_figures(out / FIGURES, figures)
    for what, it_holds in held.items():
        console.print(f"{'holds' if it_holds else 'MISSED'}: {what}", highlight=False)
    return 0 if all(held.values()) else 1


def measure(synapse: Synapse, clients: int, seconds: float, kept: int = 0) -> tuple[Tally, ServerStats]:
    """Loads a homeserver with clients and samples its process.

    :param kept: see `ServerStats`.
    """
    accounts = [Account.new(synapse) for _ in range(min(USERS, clients))]
    greedy = Account.new(synapse)
    media = {accounts[0].upload(noise(size, str(number))).uri: size for number, size in enumerate(SIZES)}
    process_id = synapse.process_id
    assert process_id
    files = open_files(process_id)
    idle = asyncio.run(_whoami(synapse, accounts[0].token, seconds / 10))
    stats = ServerStats([], (files, files), idle, [], kept)
    tokens = [account.token for account in accounts]

    async def all_at_once() -> Tally:
        watching = asyncio.create_task(_watch(process_id, stats))
        probing = asyncio.create_task(_whoami(synapse, tokens[0], seconds))
        tally = await run_clients(synapse.port, tokens, greedy.token, media, clients, seconds)
        watching.cancel()
        stats.busy_ms = await probing
        return tally

    tally = asyncio.run(all_at_once())
    for account in (*accounts, greedy):
        account.http.close()
    wait_for(lambda: open_files(process_id) <= files + kept, _SETTLED_S, "as many open files as before")
    stats.files = files, open_files(process_id)
    return tally, stats


def holds(tally: Tally, stats: ServerStats) -> dict[str, bool]:
    """Returns each condition in words, and whether it is met."""
    limited, others = tally.statuses["grab", 429], tally.statuses["mint", 429]
    kept = f", up to {stats.kept} of which are kept connections" if stats.kept else ""
    unread, refused = tally.statuses["unread", 200], tally.statuses["unread", 429]
    return {
        f"{tally.requests} requests, no error but the rate limit's own {tally.bad or ''}".strip(): not tally.bad,
        f"{limited} requests of clients without pauses are rate-limited, and {others} of all others": (
            limited > 0 and not others
        ),
        f"{unread} bundles that their client does not read, {refused} more refused": unread > 0 and refused > 0,
        f"every answer is what was asked for {tally.wrong[:3] or ''}".strip(): not tally.wrong,
        f"memory grows to {stats.growth:.2f}, at most {MOST_MEMORY}": stats.growth <= MOST_MEMORY,
        f"{stats.files[0]} open files before and {stats.files[1]} after{kept}": (
            stats.files[1] <= stats.files[0] + stats.kept
        ),
        f"other endpoints take {stats.delay:.2f} times as long, at most {MOST_DELAY}": stats.delay <= MOST_DELAY,
    }


def as_json(tally: Tally, stats: ServerStats, held: dict[str, bool], clients: int, seconds: float) -> dict[str, Any]:
    """Returns the content of ``load.json``."""
    return {
        "about": {**about(None, 1), "clients": clients, "seconds": seconds},
        "statuses": {f"{action} {status}": count for (action, status), count in sorted(tally.statuses.items())},
        "holds": held,
        "memory": stats.memory,
        "idle_ms": statistics.median(stats.idle_ms),
        "busy_ms": statistics.median(stats.busy_ms),
    }


def table(figures: dict[str, Any]) -> str:
    """Returns the table of the documentation."""
    about = figures["about"]
    what = f"{about['clients']} clients for {about['seconds'] / 60:.0f} minutes"
    lines = [f"| {what} | |", "|---|---|"]
    lines += [f"| {what} | {'holds' if held else '**missed**'} |" for what, held in figures["holds"].items()]
    return "\n".join(lines) + "\n"


async def _whoami(synapse: Synapse, token: str, seconds: float) -> list[float]:
    """Returns the response times of another endpoint in milliseconds, sampled twice a second."""
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


async def _watch(process_id: int, stats: ServerStats) -> None:
    while True:
        stats.memory.append(memory_bytes(process_id))
        await asyncio.sleep(1)
