"""Links that are bound to the address of the client (`bind_ip`)."""

from collections.abc import Iterator

import pytest

from development.synapse import Synapse
from tests.homeserver.links import is_refused
from tests.homeserver.support import Account, Mxc, on_linux, send


@pytest.fixture
def account(address_bound: Synapse) -> Iterator[Account]:
    account = Account.new(address_bound)
    yield account
    account.http.close()


@on_linux
def test_link_bound_to_an_address(account: Account) -> None:
    url = account.link(account.upload(b"x", "text/plain"))
    assert send(url).body == b"x"
    assert is_refused(url, source="127.0.0.2")


@on_linux
def test_links_are_not_bound_unless_configured(ana: Account, photo: Mxc) -> None:
    assert send(ana.link(photo), source="127.0.0.2").status == 200


@on_linux
def test_forwarded_address_of_a_client_is_ignored(account: Account) -> None:
    mxc = account.upload(b"x", "text/plain")
    assert is_refused(account.link(mxc), source="127.0.0.2", headers={"X-Forwarded-For": "127.0.0.1"})
    account.http.headers["X-Forwarded-For"] = "203.0.113.7"
    url = account.link(mxc)
    assert send(url).status == 200
    assert is_refused(url, source="127.0.0.2", headers={"X-Forwarded-For": "203.0.113.7"})


@on_linux
def test_forwarded_address_of_a_reverse_proxy_is_used(
    account: Account, address_bound: Synapse, proxy_port: int
) -> None:
    mxc = account.upload(b"x", "text/plain")
    account.http.base_url = f"http://127.0.0.1:{proxy_port}"
    account.http.headers["X-Forwarded-For"] = "203.0.113.7"
    url = account.link(mxc)
    assert send(url, headers={"X-Forwarded-For": "203.0.113.7"}).status == 200
    assert send(url, headers={"X-Forwarded-For": "203.0.113.7"}, source="127.0.0.2").status == 200
    assert is_refused(url, headers={"X-Forwarded-For": "203.0.113.8"})
    assert is_refused(url)


@on_linux
@pytest.mark.parametrize(
    ("forwarded_for", "valid", "invalid"),
    [
        # Of several addresses, Synapse takes the first one for the client and the others for proxies.
        (
            "203.0.113.7, 198.51.100.1",
            ["203.0.113.7", "203.0.113.7,192.0.2.1"],
            ["198.51.100.1", "192.0.2.1, 203.0.113.7"],
        ),
        ("203.0.113.7", [" 203.0.113.7 , 198.51.100.1, 192.0.2.1"], ["198.51.100.1, 203.0.113.7"]),
        # The same address in other notations.
        (
            "::ffff:203.0.113.7",
            ["203.0.113.7", "::FFFF:cb00:7107"],
            ["203.0.113.8", "::203.0.113.7", "::ffff:203.0.113.8"],
        ),
        ("203.0.113.7", ["::ffff:203.0.113.7", "0:0:0:0:0:ffff:203.0.113.7, 192.0.2.1"], ["::ffff:192.0.2.1"]),
        ("2001:db8::7", ["2001:DB8:0:0::7"], ["2001:db8::8", "203.0.113.7"]),
        # A text that is no address is compared as it is.
        ("unknown", ["unknown"], ["unknown2", "", "203.0.113.7"]),
    ],
)
def test_link_is_bound_to_the_address_that_synapse_determines(
    account: Account, proxy_port: int, forwarded_for: str, valid: list[str], invalid: list[str]
) -> None:
    mxc = account.upload(b"x", "text/plain")
    account.http.base_url = f"http://127.0.0.1:{proxy_port}"
    account.http.headers["X-Forwarded-For"] = forwarded_for
    url = account.link(mxc)
    for address in (forwarded_for, *valid):
        assert send(url, headers={"X-Forwarded-For": address}).status == 200
    for address in invalid:
        assert is_refused(url, headers={"X-Forwarded-For": address})
    assert is_refused(url)


@on_linux
def test_ipv4_mapped_address_is_the_ipv4_address(account: Account, proxy_port: int) -> None:
    mxc = account.upload(b"x", "text/plain")
    account.http.base_url = f"http://127.0.0.1:{proxy_port}"
    url = account.link(mxc)
    assert send(url).status == 200
    assert send(url, headers={"X-Forwarded-For": "::ffff:127.0.0.1"}).status == 200
    assert is_refused(url, headers={"X-Forwarded-For": "::ffff:127.0.0.2"})
    account.http.headers["X-Forwarded-For"] = "::ffff:127.0.0.2"
    assert send(account.link(mxc), source="127.0.0.2").status == 200


def test_forwarded_scheme_is_used(account: Account, proxy_port: int) -> None:
    mxc = account.upload(b"x", "text/plain")
    account.http.base_url = f"http://127.0.0.1:{proxy_port}"
    account.http.headers.update(
        {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "Host": "matrix.example.org"}
    )
    assert account.link(mxc).startswith("https://matrix.example.org/")
