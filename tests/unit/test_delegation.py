"""Delegated links: what a page signs with its key is verified, and any other URI is invalid."""

import hmac
import json
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from media_protocol.delegation import DelegatedLink, Delegation, is_delegated, sign_delegated, verify_delegated
from media_protocol.signing import ExpiredLink, InvalidLink, InvalidSignature, Keyring, Link, Media, Thumbnail
from tests.unit.test_signing import ADDRESS, ID, KEYRING, LINK, NEW, NOW, OLD, ONE, Comparison

NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
REVISION = st.integers(0, 10**15)


@st.composite
def delegated_links(draw: st.DrawFn) -> DelegatedLink:
    link = draw(LINK)
    name = draw(st.none() | NAME) if link.media.download else None
    return DelegatedLink(replace(link, media=replace(link.media, file_name=name)), draw(REVISION))


def key_of(link: DelegatedLink, keyring: Keyring = KEYRING, address: str | None = None) -> bytes:
    signed = link.link
    return Delegation(signed.key_id, signed.session, signed.expires_ms, address).derive_key(keyring)


def verify(url: str | bytes, address: str | None = None, keyring: Keyring = KEYRING) -> DelegatedLink | None:
    try:
        return verify_delegated(keyring, url if isinstance(url, bytes) else url.encode(), NOW, address)
    except InvalidSignature:
        return None


@given(delegated_links(), ADDRESS)
@settings(max_examples=300, deadline=None)
def test_link_that_a_page_has_signed_is_verified(link: DelegatedLink, address: str | None) -> None:
    url = sign_delegated(key_of(link, address=address), link)
    assert verify(url, address) == link
    assert url.isascii()
    assert is_delegated(url.encode())
    assert verify(url, "192.0.2.99") is None


@given(delegated_links(), st.data())
@settings(max_examples=500, deadline=None)
def test_delegated_link_with_one_changed_byte_is_invalid(link: DelegatedLink, data: st.DataObject) -> None:
    url = sign_delegated(key_of(link), link).encode()
    place = data.draw(st.integers(0, len(url) - 1))
    byte = data.draw(st.integers(0, 255))
    assume(url[place] != byte)
    assert verify(url[:place] + bytes([byte]) + url[place + 1 :]) is None


@given(st.binary(max_size=300) | delegated_links().map(lambda link: sign_delegated(b"k", link).encode()))
@settings(max_examples=300, deadline=None)
def test_any_other_uri_is_no_delegated_link(uri: bytes) -> None:
    with pytest.raises(InvalidLink):
        verify_delegated(KEYRING, uri, NOW)


@given(delegated_links(), delegated_links())
@settings(max_examples=300, deadline=None)
def test_different_delegated_links_have_different_signatures(one: DelegatedLink, two: DelegatedLink) -> None:
    assume(one != two)
    signatures = [sign_delegated(b"one key", link).rpartition("=")[2] for link in (one, two)]
    assert signatures[0] != signatures[1]


@given(LINK)
@settings(max_examples=100, deadline=None)
def test_neither_kind_of_link_is_valid_as_the_other(link: Link) -> None:
    minted, delegated = KEYRING.sign(link), sign_delegated(key_of(DelegatedLink(link)), DelegatedLink(link))
    assert not is_delegated(minted.encode())
    assert verify(minted) is None
    with pytest.raises(InvalidSignature):
        KEYRING.verify(delegated.encode(), NOW)
    with pytest.raises(InvalidSignature):
        KEYRING.verify(delegated.replace("&dsig=", "&sig=").encode(), NOW)
    assert verify(minted.replace("&sig=", "&dsig=")) is None


@given(st.text(max_size=100), st.integers(1, 10**15), ADDRESS)
@settings(max_examples=100, deadline=None)
def test_key_is_derived_by_hkdf_from_all_that_it_is_for(session: str, expires_ms: int, address: str | None) -> None:
    """Computed by RFC 5869, with HMAC alone."""
    prk = hmac.digest(bytes(32), OLD[1], "sha256")
    delegation = hmac.digest(prk, b"media_links delegation\x01", "sha256")
    info = json.dumps(["media_links delegated 1", "1", session, expires_ms, address], separators=(",", ":"))
    expected = hmac.digest(delegation, info.encode() + b"\x01", "sha256")
    assert Delegation("1", session, expires_ms, address).derive_key(KEYRING) == expected


def test_keys_of_other_sessions_buckets_addresses_and_secrets_differ() -> None:
    mine = Delegation("1", "s", 5)
    others = [
        replace(mine, session="t"),
        replace(mine, expires_ms=6),
        replace(mine, address=""),
        replace(mine, address="192.0.2.1"),
        # What follows a value cannot become a part of it.
        Delegation("1", 's",5,null]', 5),
    ]
    keys = {one.derive_key(KEYRING) for one in (mine, *others)}
    keys.add(mine.derive_key(Keyring([("1", NEW[1])])))
    keys.add(replace(mine, key_id="2").derive_key(Keyring([("2", OLD[1])])))
    assert len(keys) == len(others) + 3


def test_key_of_an_unknown_secret() -> None:
    with pytest.raises(InvalidSignature):
        Delegation("2", "s", 5).derive_key(KEYRING)


@given(delegated_links(), st.integers(-10, 10))
@settings(max_examples=100, deadline=None)
def test_expiry_of_a_delegated_link_is_exact(link: DelegatedLink, off: int) -> None:
    url = sign_delegated(key_of(link), link).encode()
    if off < 0:
        assert verify_delegated(KEYRING, url, link.link.expires_ms + off) == link
    else:
        with pytest.raises(ExpiredLink):
            verify_delegated(KEYRING, url, link.link.expires_ms + off)


def test_signature_of_a_delegated_link_is_verified_before_its_expiry() -> None:
    link = DelegatedLink(replace(ONE, expires_ms=5))
    with pytest.raises(InvalidSignature):
        verify_delegated(KEYRING, sign_delegated(b"k", link).encode(), NOW)


@given(delegated_links())
@settings(max_examples=50, deadline=None)
def test_delegated_links_outlive_a_rotation_as_long_as_their_secret_verifies(link: DelegatedLink) -> None:
    url = sign_delegated(key_of(link), link)
    assert verify(url, keyring=Keyring([NEW, OLD])) == link
    assert verify(url, keyring=Keyring([NEW])) is None


@given(NAME)
@settings(max_examples=100, deadline=None)
def test_file_name_has_one_spelling(name: str) -> None:
    link = DelegatedLink(replace(ONE, media=Media("localhost", "abc", download=True, file_name=name)))
    url = sign_delegated(key_of(link), link)
    assert verify(url) == link
    assert "&n=" in url


def test_file_name_of_a_media_that_is_not_saved_is_invalid() -> None:
    link = DelegatedLink(ONE)
    url = sign_delegated(key_of(link), link)
    assert verify(url) == link
    assert verify(url.replace("&dsig=", "&n=a.txt&dsig=")) is None


@pytest.mark.parametrize("wrong", [b"", b"0"])
def test_delegated_links_are_compared_whole_in_constant_time(monkeypatch: pytest.MonkeyPatch, wrong: bytes) -> None:
    link = DelegatedLink(ONE)
    url = sign_delegated(key_of(link), link).encode()
    received = url[: len(url) - len(wrong)] + wrong
    comparison = Comparison(monkeypatch)
    assert (verify(received) == link) == (received == url)
    ((expected, compared),) = comparison.calls
    assert compared == received
    assert len(expected) == len(received)


@pytest.mark.parametrize("result", [True, False])
def test_comparison_alone_decides_whether_a_delegated_link_is_valid(
    monkeypatch: pytest.MonkeyPatch, result: bool
) -> None:
    link = DelegatedLink(ONE)
    received = sign_delegated(b"a wrong key" if result else key_of(link), link)
    Comparison(monkeypatch, result)
    assert verify(received) == (link if result else None)


@given(ID)
@settings(max_examples=20, deadline=None)
def test_page_signs_thumbnails_downloads_and_revisions(media_id: str) -> None:
    """The form that `docs/http-interface.md` describes, byte for byte."""
    media = Media("[::1]:8448", media_id, Thumbnail(96, 64, "crop", animated=True), True, "a b/ü.txt")
    link = DelegatedLink(Link("1", media, NOW + 1, "handle"), 7)
    path = f"/_matrix/client/unstable/dev.authmedia/media/signed/%5B::1%5D:8448/{media_id}"
    query = f"k=1&e={NOW + 1}&s=handle&w=96&h=64&m=crop&a=1&d=1&n=a%20b%2F%C3%BC.txt&r=7"
    assert sign_delegated(b"k", link).rpartition("&dsig=")[0] == f"{path}?{query}"
