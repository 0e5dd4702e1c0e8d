"""Fuzzes each target for a few seconds; see `fuzz_targets.py` for longer runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import parameters

ROOT = Path(__file__).resolve().parents[2]
# Some targets run with `--full-matrix` alone.
OFTEN = ("link", "wish", "encrypted_file", "gateway_request")
SELDOM = (
    *("bundle", "kept_links"),
    *("delegated", "issued", "span", "mxc", "blurhash", "cookie", "file", "index", "ending", "event"),
    *("gateway_session", "gateway_answer", "gateway_file_name"),
)
SECONDS = 2

pytest.importorskip("atheris", reason="there is no atheris for this system or this Python")


@pytest.fixture(scope="module")
def logs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the logs of all selected targets, run in turn by one process that imports them once."""
    folder = tmp_path_factory.mktemp("fuzz")
    selected = [item.callspec.params["name"] for item in request.session.items if _fuzzes(item)]  # type: ignore[attr-defined]
    options = [f"-max_total_time={SECONDS}", "-seed=1"]
    paths = os.pathsep.join([".", "pyapp", "homeserver"])
    subprocess.run(
        [sys.executable, "-m", "tests.fuzz.fuzz_targets", "--in-turn", ",".join(selected), str(folder), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    return folder


def _fuzzes(item: pytest.Item) -> bool:
    return getattr(item, "originalname", "") == "test_fuzz_target_survives"


@pytest.mark.parametrize("name", parameters(OFTEN + SELDOM, by_default=OFTEN))
def test_fuzz_target_survives(name: str, logs: Path) -> None:
    log = (logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
    assert int((logs / f"{name}.status").read_text(encoding="ascii")) == 0, log[-2000:]
    assert "Done " in log
    inputs = int(log.partition("Done ")[2].split()[0])
    # An event is drawn, bound and loaded, which takes as long as hundreds of parsers.
    assert inputs > (30 if name == "event" else 500), "so many inputs were tried at the least"


def test_every_fuzz_target_is_listed() -> None:
    source = Path(__file__).with_name("fuzz_targets.py").read_text(encoding="utf-8")
    assert [name for name in OFTEN + SELDOM if f"def {name}(" not in source] == []
    assert source.count("(data: bytes) -> None:") == len(OFTEN + SELDOM)
