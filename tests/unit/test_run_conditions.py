"""The share of the machine that other programs take: what counts as a run's own."""

import subprocess
import sys

import pytest

from tests.evidence.documents import ROOT

WORK_S = 0.3
# A child of a parent that has ended works; its pipe closes when it ends. Written: what it counts for, in seconds.
ORPHAN = f"""
import os, sys
from tests.evidence import run_conditions
if sys.argv[1] == "adopted":
    run_conditions.adopt_orphans()
before = run_conditions._own_ticks()
reading, writing = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        while os.times().user < {WORK_S}:
            pass
    os._exit(0)
os.close(writing)
os.read(reading, 1)
print((run_conditions._own_ticks() - before) / os.sysconf("SC_CLK_TCK"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a new parent for orphans that is not the first one")
@pytest.mark.parametrize("kind", ["adopted", "lost"])
def test_an_orphan_counts_once_it_is_adopted(kind: str) -> None:
    ran = subprocess.run([sys.executable, "-c", ORPHAN, kind], cwd=ROOT, capture_output=True, check=True)
    assert (float(ran.stdout) >= 0.9 * WORK_S) == (kind == "adopted")
