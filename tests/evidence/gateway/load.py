"""Two hundred clients of a gateway for five minutes: the load test of the module, with its conditions.

    PYTHONPATH=homeserver:pyapp .venv/bin/python -m tests.evidence.gateway.load [--clients N] [--seconds N]

Other processes on the machine change the delay of other endpoints, and nothing else.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import cast

from development.synapse import Synapse
from tests.evidence.load.clients import Tally
from tests.evidence.load.command import CLIENTS, SECONDS, ServerStats, holds, measure
from tests.gateway.conftest import GatewayedSynapse
from tests.gateway.process import Gateway
from tests.relay import free_port

# To the homeserver: `media_client` keeps 32 and `homeserver` 64 for the next request.
KEPT_CONNECTIONS = 96


def run(clients: int, seconds: float, links_burst: int = 200) -> tuple[Tally, ServerStats]:
    """Loads a gateway in front of a Synapse without the module, and samples the gateway's process."""
    with tempfile.TemporaryDirectory() as folder:
        extra = {"modules": []}
        with Synapse(Path(folder) / "synapse", free_port(), extra_config=extra) as synapse:
            homeserver = f"http://127.0.0.1:{synapse.port}"
            with Gateway(Path(folder) / "gateway", homeserver, links_burst=links_burst) as gateway:
                return measure(cast(Synapse, GatewayedSynapse(synapse, gateway)), clients, seconds, KEPT_CONNECTIONS)


def main() -> int:
    """Prints each condition, and whether it is met; returns 1 if one is not."""
    parser = argparse.ArgumentParser(description="Loads a gateway.")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args()
    tally, stats = run(options.clients, options.seconds)
    held = holds(tally, stats)
    for what, it_holds in held.items():
        print(f"{'holds' if it_holds else 'MISSED'}: {what}")
    megabytes = [f"{sample / 1e6:.0f}" for sample in (*stats.memory[::60], stats.memory[-1])]
    print(f"memory at the start, after each minute and at the end, in MB: {', '.join(megabytes)}")
    statuses = {f"{action} {status}": count for (action, status), count in sorted(tally.statuses.items())}
    print(json.dumps({"statuses": statuses, "memory": stats.memory}))
    return int(not all(held.values()))


if __name__ == "__main__":
    sys.exit(main())
