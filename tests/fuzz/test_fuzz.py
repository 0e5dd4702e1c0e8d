"""Each target for a few seconds; it can be run for hours by hand, see `target.py`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Starting takes longer than looking, so some of them run with `--full-matrix` alone.
OFTEN = ("link", "bundle", "wish", "encrypted_file", "kept_links")
SELDOM = ("span", "mxc", "blurhash", "cookie", "file", "index", "ending")
SECONDS = 2

pytest.importorskip("atheris", reason="there is no atheris for this system or this Python")


@pytest.mark.parametrize("name", [*OFTEN, *(pytest.param(name, marks=pytest.mark.full_matrix) for name in SELDOM)])
def test_fuzz_target_survives(name: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz.target", name, f"-max_total_time={SECONDS}", "-seed=1"]
    paths = os.pathsep.join([".", "pyapp", "homeserver"])
    run = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "Done " in run.stderr
    inputs = int(run.stderr.partition("Done ")[2].split()[0])
    assert inputs > 500, "it has looked, indeed"


def test_every_fuzz_target_is_listed() -> None:
    source = Path(__file__).with_name("target.py").read_text(encoding="utf-8")
    assert [name for name in OFTEN + SELDOM if f"def {name}(" not in source] == []
    assert source.count("(data: bytes) -> None:") == len(OFTEN + SELDOM)
