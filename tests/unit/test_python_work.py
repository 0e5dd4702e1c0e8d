"""How many Python functions run for an element that loads with others: what the library costs beside the browser.

Counted without noise, as calls into JavaScript are in `tests/evidence/bench/test_small_bench.py`.
"""

import sys
from types import FrameType
from typing import Any

import pytest

from authmedia.elements.binder import bind
from authmedia.loader import open_loader
from authmedia.matrix.homeserver import Homeserver
from tests.unit import fake_browser as fake
from tests.unit.support import PICTURE, Script, image, run

ELEMENTS = 30
#: The most function calls an element, by strategy: a tenth above what there are.
MOST_CALLS = {"link": 156, "delegated": 130, "blob": 183, "bundle": 190, "opfs": 251}


class CallCounter:
    """Counts the calls of the library's functions, and the times that its coroutines are resumed."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and "/pyapp/authmedia/" in frame.f_code.co_filename:
            self.calls += 1


@pytest.mark.parametrize("strategy", MOST_CALLS)
def test_functions_that_run_for_an_element(strategy: str, script: Script, homeserver: Homeserver, browser: Any) -> None:
    mxcs = [f"mxc://example.org/media{number}" for number in range(ELEMENTS)]
    script.media.update({mxc.removeprefix("mxc://"): PICTURE for mxc in mxcs})
    counter = CallCounter()

    async def scenario() -> None:
        binder = bind(fake.Element("div"), open_loader(strategy, homeserver), near_px=None)
        binder.on_added(0, image())  # what the first one alone needs
        await binder.settled()
        sys.setprofile(counter)
        try:
            for number, mxc in enumerate(mxcs):
                binder.on_added(number + 1, image(mxc))
            await binder.settled()
        finally:
            sys.setprofile(None)
        binder.close()

    run(scenario())
    assert 0.7 * MOST_CALLS[strategy] < counter.calls / ELEMENTS <= MOST_CALLS[strategy]
