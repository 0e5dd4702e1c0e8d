"""The table of malformed and hostile inputs, counted from the parameters of the tests that try them."""

from collections.abc import Callable
from typing import Any

from tests.unit import support  # noqa: F401  isort: skip  (puts the fake browser in place, before whoever wants it)
from tests.browser import test_hostile as hostile
from tests.homeserver import test_minting as minting
from tests.homeserver import test_openapi as openapi
from tests.homeserver import test_refused_links as refusals
from tests.unit import test_encrypted as encrypted
from tests.unit import test_link_forgery as forging
from tests.unit import test_media as media

PART = "inputs"


def table() -> str:
    """Returns the table as Markdown."""
    lines = ["| what | how many | becomes | test |", "|---|---|---|---|"]
    lines += [f"| {what} | {count:,} | {becomes} | `{test.__name__}` |" for what, count, becomes, test in _tried()]
    return "\n".join(lines) + "\n"


Attempt = tuple[str, int, str, Callable[..., Any]]


def _tried() -> list[Attempt]:
    """What was tried, how often, what becomes of it, and the test that does so."""
    return [*_tried_on_the_server(), *_tried_in_the_browser()]


def _tried_on_the_server() -> list[Attempt]:
    forged = sum(1 for _ in forging.forgeries(seed=6, each=forging.EACH))
    return [
        (
            f"links altered in {len(forging.KINDS)} ways, no two alike",
            forged,
            "refused",
            forging.test_forged_links_are_invalid,
        ),
        (
            "links altered on their way to a real Synapse",
            _cases(refusals.test_altered_link),
            "refused, in words that tell nothing",
            refusals.test_altered_link,
        ),
        (
            "bodies that are no list of media",
            _cases(minting.test_malformed_body),
            "an error of Matrix",
            minting.test_malformed_body,
        ),
        (
            "requests by the description of the interface, and against it",
            len(openapi.OPERATIONS) * len(openapi.MODES) * openapi.EXAMPLES,
            "answered as described",
            openapi.test_responses_conform_to_the_description,
        ),
    ]


def _tried_in_the_browser() -> list[Attempt]:
    in_strategies = len(hostile.HOSTILE) * 2 * len(hostile.STRATEGIES)
    return [
        (
            "addresses that are no `mxc://`",
            _cases(media.test_anything_else_is_malformed),
            "an error for that media alone",
            media.test_anything_else_is_malformed,
        ),
        (
            "encrypted files that cannot be right",
            _cases(encrypted.test_what_cannot_be_right_is_refused),
            "an error, and nothing is shown",
            encrypted.test_what_cannot_be_right_is_refused,
        ),
        (
            "pages, scripts and polyglots as pictures and videos, by each strategy",
            in_strategies,
            "nothing runs, in the page or opened by itself",
            hostile.test_nothing_in_media_runs_however_they_are_opened,
        ),
    ]


def _cases(test: Callable[..., Any]) -> int:
    """Returns the number of a test's parameter sets."""
    count = 1
    for mark in getattr(test, "pytestmark", ()):
        count *= len(list(mark.args[1])) if mark.name == "parametrize" else 1
    return count
