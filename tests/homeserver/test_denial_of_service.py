"""Requests that cost a client little and could cost the homeserver much."""

import time

import pytest

from development.synapse import Synapse
from tests.homeserver import test_cookie, test_signed_query
from tests.homeserver.support import Account, Answer, Mxc, picture, send

# In proportion to the cube of its length this one took ten seconds, during which the homeserver answered nobody.
BLANKS = "bytes=" + " " * 1200 + "-" + " " * 2000 + "x"
MOST_S = 2.0


def _by_link(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return send(account.link(mxc), headers=headers)


def _by_cookie(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return test_cookie.get(account.synapse, mxc, test_cookie.cookie(account), **headers)


def _by_signed_query(account: Account, mxc: Mxc, headers: dict[str, str]) -> Answer:
    return test_signed_query.get(account.synapse, mxc, test_signed_query.signed(account), **headers)


PROOFS = {"link": _by_link, "cookie": _by_cookie, "signed_query": _by_signed_query}


@pytest.mark.parametrize("header", [BLANKS, "bytes=" + " " * 12_000 + "-", '"' * 12_000, "W/" * 6_000])
@pytest.mark.parametrize("proof", PROOFS)
def test_header_of_any_form_takes_no_time(baselines: Synapse, proof: str, header: str) -> None:
    account = Account.new(baselines)
    mxc = account.upload(picture(), "image/png")
    headers = {"Range": header} if header.startswith("bytes") else {"If-None-Match": header}
    start = time.monotonic()
    answer = PROOFS[proof](account, mxc, headers)
    assert (answer.status, answer.body) == (200, picture())
    assert time.monotonic() - start < MOST_S
