"""What a media costs the homeserver's processor, behind a link and behind Synapse's own download."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from tests.bench.long_media import _uploaded
from tests.bench.rows import Bench, Row

_SMALL, _LARGE = 300, 3


def server(bench: Bench) -> Iterator[Row]:
    """Seconds of Synapse's processor, a request."""
    if not Path("/proc").exists():
        return  # only Linux tells
    stage = bench.stage
    headers = {"Authorization": f"Bearer {stage.session['token']}"}
    with httpx.Client(base_url=stage.synapse.base_url, timeout=120) as client:

        def link(mxc: str) -> str:
            path = "/_matrix/client/unstable/dev.authmedia/media/links"
            answer = client.post(path, json={"media": [{"mxc": mxc}]}, headers=headers)
            return str(answer.raise_for_status().json()["links"][0]["url"])

        def spent(url: str, times: int, own: dict[str, str]) -> Callable[[], float]:
            def measure() -> float:
                before = _processor_s(stage.synapse.process_id)
                for _ in range(times):
                    with client.stream("GET", url, headers=own) as answer:
                        answer.raise_for_status()
                        for _ in answer.iter_raw():
                            pass
                return (_processor_s(stage.synapse.process_id) - before) / times * 1000

            return measure

        for name, mxc, times, goal in (
            ("a small file", stage.media[0], _SMALL, 0.8),
            ("100 MB", _uploaded(stage), _LARGE, 1.0),
        ):
            download = f"/_matrix/client/v1/media/download/{mxc.removeprefix('mxc://')}"
            yield bench.row(
                f"Synapse's processor time, {name} behind a link",
                "Synapse's own authenticated download",
                goal,
                spent(link(mxc), times, {}),
                spent(download, times, headers),
                "ms",
            )


def _processor_s(process_id: int | None) -> float:
    """Seconds of processor time that a process, all threads of it, has used."""
    fields = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
