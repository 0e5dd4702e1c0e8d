"""Scenarios of fault injection by name, and their permitted outcomes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from playwright.sync_api import BrowserContext

from tests.browser.engines import Mode
from tests.evidence.faults import response_faults
from tests.evidence.faults.environment import FaultEnvironment, LoadingTab, LoadOutcomes
from tests.evidence.faults.faulty_proxy import Fault

ALL = ("link", "opfs", "blob", "bundle")
ON_DISK = ("opfs",)
UNREACHABLE = "The server cannot be reached."
PROBLEM = "The server had a problem with this media."
SLOW_DOWN = "The server asked us to slow down."
SIGNED_OUT = "You are signed out. Sign in again to see this media."
FULL = "There is no room left on this device to keep this media."
NOT_FOUND = "This media is not on the server (any more)."

# Less than what all pictures need.
SMALL_DISK_KB = 1024
_JUMP = "(ms) => window.setClock(ms)"
_DAY_MS = 86_400_000
_INDEXED = """async (count) => {
  const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle("authmedia");
  const file = await directory.getFileHandle("index.json").catch(() => null);
  return file && Object.keys(JSON.parse(await (await file.getFile()).text() || "{}")).length >= count;
}"""
# By turns: other bytes of the same length, another media's file, a shorter one, none; every fifth stays as it is.
# While the index is written, Chromium lists `index.json.crswap` as well.
_ALTER = """async () => {
  const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle("authmedia");
  const handles = [];
  for await (const [name, handle] of directory) {
    if (name.includes(".") && !name.startsWith("index.json")) handles.push(handle);
  }
  const read = async (handle) => new Uint8Array(await (await handle.getFile()).arrayBuffer());
  const foreign = await read(handles[0]);
  for (const [number, handle] of handles.entries()) {
    const bytes = await read(handle);
    const middle = bytes.length >> 1;
    const altered = [bytes.with(middle, bytes[middle] ^ 255), foreign, bytes.slice(0, middle), null, bytes][number % 5];
    if (altered === bytes) continue;
    if (altered === null) { await directory.removeEntry(handle.name); continue; }
    const writable = await handle.createWritable();
    await writable.write(altered);
    await writable.close();
  }
  return handles.length;
}"""


@dataclass
class Outcome:
    """Outcomes of the loads under a fault.

    :param at_first: outcomes without user action.
    :param in_the_end: outcomes after the fault has ended and every button *Try again* was clicked.
    :param done: number of times that the fault was applied, where it is counted.
    """

    at_first: LoadOutcomes = field(default_factory=LoadOutcomes)
    in_the_end: LoadOutcomes = field(default_factory=LoadOutcomes)
    done: int = 0


@dataclass(frozen=True)
class Scenario:
    """A scenario.

    :param run: loads media under the fault in a new tab.
    :param words: messages that may be shown instead of media.
    :param heals: whether all media must be shown in the end, without a reload.
    :param small_disk: whether the browser must have a small storage quota.
    """

    run: Callable[[FaultEnvironment, BrowserContext, str, list[str]], Outcome]
    words: tuple[str, ...]
    strategies: tuple[str, ...] = ALL
    heals: bool = True
    small_disk: bool = False

    def strategies_in(self, mode: Mode) -> tuple[str, ...]:
        """Returns the strategies to run; private windows have no disk."""
        return tuple(name for name in self.strategies if not (mode.private and name in ON_DISK))


def _answers(
    fault: Fault, environment: FaultEnvironment, context: BrowserContext, strategy: str, mxcs: list[str]
) -> Outcome:
    """Loads while responses are faulty, and retries failed loads afterwards."""
    tab = environment.tab(context, strategy)
    before = environment.proxy.done
    with environment.proxy.applying(fault):
        tab.add(mxcs)
        at_first = tab.settle()
    return _ended(tab, Outcome(at_first, tab.retry(), environment.proxy.done - before))


def _restart(environment: FaultEnvironment, context: BrowserContext, strategy: str, mxcs: list[str]) -> Outcome:
    """The homeserver restarts during the loads."""
    tab = environment.tab(context, strategy)
    with environment.proxy.applying(response_faults.out_of_order):  # so that it does take a while
        tab.add(mxcs)
        tab.wait_for(len(mxcs) // 5)
        environment.synapse.stop()
        environment.synapse.start()
    at_first = tab.settle()
    return _ended(tab, Outcome(at_first, tab.retry(), 1))


def _log_out(environment: FaultEnvironment, context: BrowserContext, strategy: str, mxcs: list[str]) -> Outcome:
    """The session is logged out on the homeserver during the loads."""
    tab = environment.tab(context, strategy)
    half = len(mxcs) // 2
    tab.add(mxcs[:half])
    tab.settle()
    tab.site_tab.end_session(environment.synapse.base_url)
    tab.add(mxcs[half:])
    return _ended(tab, Outcome(tab.settle(), tab.retry(), 1))


def _jump(days: int, environment: FaultEnvironment, context: BrowserContext, strategy: str, mxcs: list[str]) -> Outcome:
    """The device's clock jumps by days during the loads."""
    tab = environment.tab(context, strategy)
    half = len(mxcs) // 2
    tab.add(mxcs[:half])
    tab.wait_for(1)
    tab.site_tab.page.evaluate(_JUMP, days * _DAY_MS)
    tab.add(mxcs[half:])
    return _ended(tab, Outcome(tab.settle(), tab.retry(), 1))


def _fill(environment: FaultEnvironment, context: BrowserContext, strategy: str, mxcs: list[str]) -> Outcome:
    """The storage quota is smaller than the media."""
    tab = environment.tab(context, strategy)
    tab.site_tab.limit_storage(SMALL_DISK_KB)
    tab.add(mxcs)
    at_first = tab.settle()
    return _ended(tab, Outcome(at_first, at_first, sum(at_first.failed.values())))


def _alter(environment: FaultEnvironment, context: BrowserContext, strategy: str, mxcs: list[str]) -> Outcome:
    """Stored files are altered or removed; then the media are loaded again."""
    first = environment.tab(context, strategy)
    first.add(mxcs)
    assert first.settle().shown == len(mxcs)
    first.site_tab.page.wait_for_function(_INDEXED, arg=len(mxcs))
    first.empty()
    altered = first.site_tab.page.evaluate(_ALTER)
    assert altered == len(mxcs)
    second = environment.tab(context, strategy, beside=first)
    second.add(mxcs)
    outcome = Outcome(second.settle(), second.retry(), altered)
    first.site_tab.close()
    return _ended(second, outcome)


def _close(environment: FaultEnvironment, context: BrowserContext, strategy: str, mxcs: list[str]) -> Outcome:
    """The tab is closed while it writes; then another tab loads the media."""
    keeper = environment.tab(context, strategy)
    tab = environment.tab(context, strategy, beside=keeper)
    with environment.proxy.applying(response_faults.out_of_order):
        tab.add(mxcs)
        tab.wait_for(len(mxcs) // 5)
        tab.site_tab.close()
    again = environment.tab(context, strategy, beside=keeper)
    again.add(mxcs)
    outcome = Outcome(again.settle(), again.retry(), 1)
    keeper.site_tab.close()
    return _ended(again, outcome)


def _ended(tab: LoadingTab, outcome: Outcome) -> Outcome:
    assert not tab.console_lines("Traceback"), tab.console_lines("Traceback")
    tab.site_tab.close()
    return outcome


_MAY_SAY: dict[Fault, tuple[str, ...]] = {
    response_faults.rate_limited: (SLOW_DOWN,),
    response_faults.failing: (PROBLEM, UNREACHABLE),
    response_faults.reset_in_the_middle: (UNREACHABLE, PROBLEM),
    response_faults.cut_short: (UNREACHABLE, PROBLEM),
    response_faults.promised: (UNREACHABLE, PROBLEM),
    response_faults.promised_in_vain: (UNREACHABLE, PROBLEM),
    response_faults.cut_in_chunks: (UNREACHABLE, PROBLEM),
    response_faults.cut_without_length: (UNREACHABLE, PROBLEM),
    response_faults.stalled: (UNREACHABLE, PROBLEM),
    response_faults.out_of_order: (),
}

SCENARIOS: dict[str, Scenario] = {
    **{
        name: Scenario(partial(_answers, fault), _MAY_SAY.get(fault, (UNREACHABLE,)))
        for name, fault in response_faults.RESPONSE_FAULTS.items()
    },
    "the homeserver ends and comes back": Scenario(_restart, (UNREACHABLE, PROBLEM, NOT_FOUND)),
    "the session ends meanwhile": Scenario(_log_out, (SIGNED_OUT,), heals=False),
    "the clock jumps a day ahead": Scenario(partial(_jump, 1), ()),
    "the clock jumps a day back": Scenario(partial(_jump, -1), ()),
    "the disk is full": Scenario(_fill, (FULL,), ON_DISK, heals=False, small_disk=True),
    "files altered or removed by hand": Scenario(_alter, (), ON_DISK),
    "the tab ends while it writes": Scenario(_close, (), ON_DISK),
}
