"""Links that are bound to the address of the client (`bind_ip`)."""

from collections.abc import Iterator

import pytest

from development.synapse import Synapse
from tests.homeserver.links import is_refused
from tests.homeserver.support import Account, Mxc, on_linux, send


@pytest.fixture
def visitor(bound: Synapse) -> Iterator[Account]:
    account = Account.new(bound)
    yield account
    account.http.close()


@on_linux
def test_link_bound_to_an_address(visitor: Account) -> None:
    url = visitor.link(visitor.upload(b"x", "text/plain"))
    assert send(url).body == b"x"
    assert is_refused(url, source="127.0.0.2")


@on_linux
def test_links_are_not_bound_unless_configured(ana: Account, photo: Mxc) -> None:
    assert send(ana.link(photo), source="127.0.0.2").status == 200


@on_linux
def test_what_a_client_says_of_its_address_is_not_believed(visitor: Account) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    assert is_refused(visitor.link(mxc), source="127.0.0.2", headers={"X-Forwarded-For": "127.0.0.1"})
    visitor.http.headers["X-Forwarded-For"] = "203.0.113.7"
    url = visitor.link(mxc)
    assert send(url).status == 200
    assert is_refused(url, source="127.0.0.2", headers={"X-Forwarded-For": "203.0.113.7"})


@on_linux
def test_what_a_reverse_proxy_says_of_its_client_is_believed(visitor: Account, bound: Synapse, proxy_port: int) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    visitor.http.base_url = f"http://127.0.0.1:{proxy_port}"
    visitor.http.headers["X-Forwarded-For"] = "203.0.113.7"
    url = visitor.link(mxc)
    assert send(url, headers={"X-Forwarded-For": "203.0.113.7"}).status == 200
    assert send(url, headers={"X-Forwarded-For": "203.0.113.7"}, source="127.0.0.2").status == 200
    assert is_refused(url, headers={"X-Forwarded-For": "203.0.113.8"})
    assert is_refused(url)


@on_linux
@pytest.mark.parametrize(
    ("minted_for", "good", "bad"),
    [
        # The first of several is the client, as far as Synapse knows; those behind it are proxies.
        (
            "203.0.113.7, 198.51.100.1",
            ["203.0.113.7", "203.0.113.7,192.0.2.1"],
            ["198.51.100.1", "192.0.2.1, 203.0.113.7"],
        ),
        ("203.0.113.7", [" 203.0.113.7 , 198.51.100.1, 192.0.2.1"], ["198.51.100.1, 203.0.113.7"]),
        # One address, however it is written.
        (
            "::ffff:203.0.113.7",
            ["203.0.113.7", "::FFFF:cb00:7107"],
            ["203.0.113.8", "::203.0.113.7", "::ffff:203.0.113.8"],
        ),
        ("203.0.113.7", ["::ffff:203.0.113.7", "0:0:0:0:0:ffff:203.0.113.7, 192.0.2.1"], ["::ffff:192.0.2.1"]),
        ("2001:db8::7", ["2001:DB8:0:0::7"], ["2001:db8::8", "203.0.113.7"]),
        # What is no address is what it is.
        ("unknown", ["unknown"], ["unknown2", "", "203.0.113.7"]),
    ],
)
def test_link_is_bound_to_the_address_that_synapse_takes(
    visitor: Account, proxy_port: int, minted_for: str, good: list[str], bad: list[str]
) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    visitor.http.base_url = f"http://127.0.0.1:{proxy_port}"
    visitor.http.headers["X-Forwarded-For"] = minted_for
    url = visitor.link(mxc)
    for address in (minted_for, *good):
        assert send(url, headers={"X-Forwarded-For": address}).status == 200
    for address in bad:
        assert is_refused(url, headers={"X-Forwarded-For": address})
    assert is_refused(url)


@on_linux
def test_connection_over_ipv6_from_an_ipv4_address_is_from_that_address(visitor: Account, proxy_port: int) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    visitor.http.base_url = f"http://127.0.0.1:{proxy_port}"
    url = visitor.link(mxc)
    assert send(url).status == 200
    assert send(url, headers={"X-Forwarded-For": "::ffff:127.0.0.1"}).status == 200
    assert is_refused(url, headers={"X-Forwarded-For": "::ffff:127.0.0.2"})
    visitor.http.headers["X-Forwarded-For"] = "::ffff:127.0.0.2"
    assert send(visitor.link(mxc), source="127.0.0.2").status == 200


def test_reverse_proxy_tells_the_scheme(visitor: Account, proxy_port: int) -> None:
    mxc = visitor.upload(b"x", "text/plain")
    visitor.http.base_url = f"http://127.0.0.1:{proxy_port}"
    visitor.http.headers.update(
        {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "Host": "matrix.example.org"}
    )
    assert visitor.link(mxc).startswith("https://matrix.example.org/")
