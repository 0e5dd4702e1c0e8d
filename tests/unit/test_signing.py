"""Signed links: a signed link is verified, and any other URI is invalid."""

import hmac
import string
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from media_protocol.signing import (
    SIGNED_PREFIX,
    ExpiredLink,
    InvalidLink,
    InvalidSignature,
    Keyring,
    Link,
    Media,
    Thumbnail,
    bucketed_expiry_ms,
    is_server_name,
    parse_media,
    parse_mxc,
)

OLD, NEW = ("1", b"o" * 32), ("2", b"n" * 32)
KEYRING = Keyring([OLD])
NOW = 1_800_000_000_000
HOUR = 3_600_000

ID = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=40)
LABEL = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20)
HOST = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
ADDRESS_HOST = st.sampled_from(["[::1]", "[2001:db8::7]", "192.0.2.1"])
PORT = st.sampled_from(["", ":1", ":8448", ":65535", ":00080"])
SERVER_NAME = st.builds(lambda host, port: host + port, HOST | ADDRESS_HOST, PORT)
SIDE = st.integers(1, 2048)
THUMBNAIL = st.builds(Thumbnail, SIDE, SIDE, st.sampled_from(["crop", "scale"]), st.booleans())
FILE_NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
MEDIA = st.builds(Media, SERVER_NAME, ID, st.none() | THUMBNAIL, st.booleans()) | st.builds(
    Media, SERVER_NAME, ID, st.none() | THUMBNAIL, st.just(True), st.none() | FILE_NAME
)
LINK = st.builds(Link, st.just("1"), MEDIA, st.integers(NOW + 1, 10**15), ID)
ADDRESS = st.none() | st.ip_addresses().map(str)


def verify(keyring: Keyring, url: str | bytes, now_ms: int = NOW, address: str | None = None) -> Link | None:
    try:
        return keyring.verify(url if isinstance(url, bytes) else url.encode(), now_ms, address)
    except InvalidSignature:
        return None


# --- signing and verifying --------------------------------------------------------------------------------------------


@given(LINK, ADDRESS)
@settings(max_examples=300, deadline=None)
def test_signed_link_is_verified(link: Link, address: str | None) -> None:
    url = KEYRING.sign(link, address)
    assert verify(KEYRING, url, address=address) == link
    assert url == KEYRING.sign(link, address)
    assert url.isascii()
    assert url.startswith(SIGNED_PREFIX)


@given(LINK, st.data())
@settings(max_examples=500, deadline=None)
def test_link_with_one_changed_byte_is_invalid(link: Link, data: st.DataObject) -> None:
    url = KEYRING.sign(link).encode()
    place = data.draw(st.integers(0, len(url) - 1))
    byte = data.draw(st.integers(0, 255))
    assume(url[place] != byte)
    assert verify(KEYRING, url[:place] + bytes([byte]) + url[place + 1 :]) is None


@given(LINK, st.data())
@settings(max_examples=300, deadline=None)
def test_link_with_added_or_removed_bytes_is_invalid(link: Link, data: st.DataObject) -> None:
    url = KEYRING.sign(link).encode()
    start = data.draw(st.integers(0, len(url)))
    end = data.draw(st.integers(start, len(url)))
    changed = url[:start] + data.draw(st.binary(max_size=5)) + url[end:]
    assume(changed != url)
    assert verify(KEYRING, changed) is None


@given(LINK, st.data())
@settings(max_examples=300, deadline=None)
def test_link_with_reordered_repeated_or_omitted_parameters_is_invalid(link: Link, data: st.DataObject) -> None:
    path, _, query = KEYRING.sign(link).partition("?")
    parameters = query.split("&")
    chosen = data.draw(st.lists(st.sampled_from(parameters), max_size=10))
    assume(chosen != parameters)
    assert verify(KEYRING, f"{path}?{'&'.join(chosen)}") is None


@given(LINK, st.data())
@settings(max_examples=300, deadline=None)
def test_link_with_percent_encoded_byte_is_invalid(link: Link, data: st.DataObject) -> None:
    url = KEYRING.sign(link)
    place = data.draw(st.integers(1, len(url) - 1))
    assume("%" not in url[max(0, place - 2) : place + 1])
    encoded = f"{url[:place]}%{ord(url[place]):02X}{url[place + 1 :]}"
    assert unquote(encoded) == unquote(url)
    assert verify(KEYRING, encoded) is None


@given(LINK, LINK, ADDRESS, ADDRESS)
@settings(max_examples=300, deadline=None)
def test_different_grants_have_different_signatures(one: Link, two: Link, here: str | None, there: str | None) -> None:
    assume((one, here) != (two, there))
    signature = KEYRING.sign(one, here).rpartition("=")[2]
    assert signature != KEYRING.sign(two, there).rpartition("=")[2]


@given(LINK)
@settings(max_examples=200, deadline=None)
def test_each_part_of_a_link_is_signed(link: Link) -> None:
    """A link with one part changed is invalid with the signature of the original."""
    signature = KEYRING.sign(link).rpartition("=")[2]
    media = link.media
    others: list[dict[str, Any]] = [
        {"media": replace(media, server_name=media.server_name + "a" if ":" not in media.server_name else "b")},
        {"media": replace(media, media_id=media.media_id + "a")},
        {"media": replace(media, thumbnail=None if media.thumbnail else Thumbnail(1, 1))},
        {"media": replace(media, download=not media.download, file_name=None)},
        {"media": replace(media, download=True, file_name=(media.file_name or "") + "x")},
        {"expires_ms": link.expires_ms + 1},
        {"session": link.session + "a"},
    ]
    if media.thumbnail:
        shape = media.thumbnail
        others += [
            {"media": replace(media, thumbnail=replace(shape, width=shape.width % 2048 + 1))},
            {"media": replace(media, thumbnail=replace(shape, height=shape.height % 2048 + 1))},
            {"media": replace(media, thumbnail=replace(shape, method="crop" if shape.method == "scale" else "scale"))},
            {"media": replace(media, thumbnail=replace(shape, animated=not shape.animated))},
        ]
    for other in others:
        url = KEYRING.sign(replace(link, **other)).rpartition("=")[0]
        assert verify(KEYRING, f"{url}={signature}") is None


@given(st.binary(max_size=300) | LINK.map(lambda link: KEYRING.sign(link).encode()[:-1]))
@settings(max_examples=500, deadline=None)
def test_any_other_uri_is_invalid(uri: bytes) -> None:
    with pytest.raises(InvalidLink):
        KEYRING.verify(uri, NOW)


# --- time, address, keys ----------------------------------------------------------------------------------------------


@given(LINK, st.integers(-10, 10))
@settings(max_examples=200, deadline=None)
def test_expiry_is_exact(link: Link, off: int) -> None:
    url = KEYRING.sign(link).encode()
    if off < 0:
        assert KEYRING.verify(url, link.expires_ms + off) == link
    else:
        with pytest.raises(ExpiredLink):
            KEYRING.verify(url, link.expires_ms + off)


@given(LINK, ADDRESS, ADDRESS)
@settings(max_examples=200, deadline=None)
def test_link_is_bound_to_its_address(link: Link, here: str | None, there: str | None) -> None:
    url = KEYRING.sign(link, here)
    assert (verify(KEYRING, url, address=there) == link) == (here == there)


def test_address_is_not_part_of_the_url() -> None:
    assert "203.0.113.7" not in KEYRING.sign(Link("1", Media("localhost", "abc"), 5, "s"), "203.0.113.7")


def test_signature_is_verified_before_expiry() -> None:
    url = KEYRING.sign(Link("1", Media("localhost", "abc"), 5, "s"))
    with pytest.raises(InvalidSignature):
        KEYRING.verify(url.replace("e=5", "e=6").encode(), NOW)


@given(LINK)
@settings(max_examples=100, deadline=None)
def test_keys_are_rotated(link: Link) -> None:
    announced, both, new = Keyring([OLD, NEW]), Keyring([NEW, OLD]), Keyring([NEW])
    old_url, new_url = KEYRING.sign(link), both.sign(replace(link, key_id=both.signing_key_id))
    assert (announced.signing_key_id, both.signing_key_id, new.signing_key_id) == ("1", "2", "2")
    # In the first step the new secret verifies only; the old one still signs.
    assert announced.sign(link) == old_url
    assert verify(announced, old_url) == link
    assert verify(announced, new_url)
    assert verify(both, old_url) == link
    assert verify(both, new_url)
    assert verify(new, new_url)
    assert verify(new, old_url) is None
    assert verify(KEYRING, new_url) is None
    assert verify(Keyring([("1", NEW[1])]), old_url) is None
    assert verify(both, old_url.replace("k=1&", "k=2&")) is None


@given(LINK)
@settings(max_examples=100, deadline=None)
def test_link_of_an_old_key_is_valid_until_it_expires(link: Link) -> None:
    url = KEYRING.sign(link).encode()
    for keyring in (Keyring([OLD, NEW]), Keyring([NEW, OLD])):
        assert keyring.verify(url, link.expires_ms - 1) == link
        with pytest.raises(ExpiredLink):
            keyring.verify(url, link.expires_ms)


class Comparison:
    """Replaces ``hmac.compare_digest``, records its arguments, and returns a given result."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, result: bool | None = None) -> None:
        self.calls: list[tuple[bytes, bytes]] = []
        self._result = result
        self._real = hmac.compare_digest
        monkeypatch.setattr(hmac, "compare_digest", self)

    def __call__(self, one: bytes, other: bytes) -> bool:
        self.calls.append((one, other))
        return self._real(one, other) if self._result is None else self._result


ONE = Link("1", Media("localhost", "abc"), NOW + 1, "s")


@pytest.mark.parametrize(
    "change", [lambda url: url, lambda url: url[:-1] + b"_", lambda url: url.replace(b"abc", b"abd")]
)
def test_links_are_compared_whole_in_constant_time(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]
) -> None:
    url = KEYRING.sign(ONE).encode()
    received = change(url)
    comparison = Comparison(monkeypatch)
    assert (verify(KEYRING, received) == ONE) == (received == url)
    (pair,) = comparison.calls
    assert pair[1] == received
    assert len(pair[0]) == len(received)


@pytest.mark.parametrize("result", [True, False])
def test_comparison_alone_decides_whether_a_link_is_valid(monkeypatch: pytest.MonkeyPatch, result: bool) -> None:
    valid = KEYRING.sign(ONE)
    received = valid[:-1] + ("A" if valid[-1] != "A" else "B") if result else valid
    Comparison(monkeypatch, result)
    assert verify(KEYRING, received) == (ONE if result else None)


# --- sessions ---------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_sealing_is_deterministic(one: bytes, two: bytes) -> None:
    handle = KEYRING.seal(one)
    assert KEYRING.open("1", handle) == one
    assert handle == KEYRING.seal(one)
    assert (handle == KEYRING.seal(two)) == (one == two)


@given(st.binary(max_size=100), st.data())
@settings(max_examples=300, deadline=None)
def test_altered_handle_is_invalid(session: bytes, data: st.DataObject) -> None:
    handle = KEYRING.seal(session)
    changed = data.draw(st.text(max_size=200) | st.integers(0, len(handle) - 1).map(lambda cut: handle[:cut]))
    assume(changed.rstrip("=") != handle)
    with pytest.raises(InvalidSignature):
        KEYRING.open("1", changed)


def test_handle_of_another_key_is_invalid() -> None:
    handle = Keyring([NEW]).seal(b"session")
    for key_id in ("1", "2"):
        with pytest.raises(InvalidSignature):
            KEYRING.open(key_id, handle)


# --- mxc URIs ---------------------------------------------------------------------------------------------------------


@given(SERVER_NAME, ID)
@settings(max_examples=200, deadline=None)
def test_mxc_uri_is_parsed(server_name: str, media_id: str) -> None:
    assert parse_mxc(f"mxc://{server_name}/{media_id}") == Media(server_name, media_id)


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_other_text_is_no_mxc_uri(text: str) -> None:
    media = parse_mxc(text)
    if media is not None:
        assert text == f"mxc://{media.server_name}/{media.media_id}"
    for name in (parse_media(text, "abc"), parse_media("localhost", text)):
        assert name is None or not set("/?#%\\ \n\r\t\0@&") & set(text)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":80",
        "a:",
        "a:123456",
        "a b",
        "a/b",
        "a@b",
        "[::1",
        "::1",
        "[]",
        "ä.example",
        "a\n",
        ".",
        "..",
        "...",
        ".a",
        "a.",
        "a..b",
        ".:80",
        "[..]",
        "[::::]",
        "[1.2.3.4]",
        "a" * 256,
    ],
)
def test_invalid_server_name(name: str) -> None:
    assert not is_server_name(name)


# --- expiry -----------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10**14), st.integers(1, 10**10), st.integers(1, 10**10), ID)
@settings(max_examples=500, deadline=None)
def test_link_is_valid_for_its_lifetime_and_at_most_a_bucket_more(
    now: int, lifetime: int, bucket: int, session: str
) -> None:
    expires = bucketed_expiry_ms(now, lifetime, bucket, session)
    assert lifetime < expires - now <= lifetime + bucket


@given(st.integers(0, 10**14), st.integers(0, 6 * HOUR), ID)
@settings(max_examples=300, deadline=None)
def test_expiry_is_the_same_within_a_bucket_and_moves_by_a_bucket(now: int, later: int, session: str) -> None:
    bucket = 6 * HOUR
    assert bucketed_expiry_ms(now + later, HOUR, bucket, session) - bucketed_expiry_ms(now, HOUR, bucket, session) in (
        0,
        bucket,
    )
    end = bucketed_expiry_ms(now, HOUR, bucket, session) - HOUR
    assert bucketed_expiry_ms(end - 1, HOUR, bucket, session) == end + HOUR
    assert bucketed_expiry_ms(end, HOUR, bucket, session) == end + HOUR + bucket


def test_sessions_have_different_bucket_phases() -> None:
    assert len({bucketed_expiry_ms(NOW, HOUR, 6 * HOUR, f"session {number}") for number in range(100)}) > 90
