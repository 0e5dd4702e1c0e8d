"""Media requests: URIs, keys and content types."""

import ipaddress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authmedia.errors import AuthMediaError, MalformedMxc
from authmedia.matrix.mxc import parse_mxc
from authmedia.media import Media, MediaRequest, safe_content_type
from authmedia.traffic import Traffic


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("mxc://example.org/abc", ("example.org", "abc")),
        ("mxc://example.org:8448/aB-_9", ("example.org:8448", "aB-_9")),
        ("mxc://[2001:db8::1]:8448/x", ("[2001:db8::1]:8448", "x")),
        ("mxc://127.0.0.1/x", ("127.0.0.1", "x")),
        ("mxc://localhost/x", ("localhost", "x")),
        ("mxc://my-server.example.org:8448/x", ("my-server.example.org:8448", "x")),
        ("mxc://xn--bcher-kva.example/x", ("xn--bcher-kva.example", "x")),
        ("mxc://-a.b-/x", ("-a.b-", "x")),
        ("mxc://[::ffff:192.0.2.7]/x", ("[::ffff:192.0.2.7]", "x")),
    ],
)
def test_an_mxc_uri_is_a_server_and_an_id(uri: str, parts: tuple[str, str]) -> None:
    assert parse_mxc(uri) == parts


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "mxc://",
        "mxc://example.org",
        "mxc://example.org/",
        "mxc:///abc",
        "MXC://example.org/abc",
        "https://example.org/abc",
        "mxc://example.org/abc/def",
        "mxc://example.org/../secret",
        "mxc://example.org/a b",
        "mxc://example.org/abc?x=1",
        "mxc://example.org/abc#x",
        "mxc://exa mple.org/abc",
        "mxc://user@example.org/abc",
        "mxc://example.org:/abc",
        "mxc://example.org:port/abc",
        "mxc://[::1/abc",
        "mxc://[::1]x/abc",
        "mxc://[]/abc",
        "mxc://[7]/abc",
        "mxc://example.org/\u202eabc",
        "mxc://example.org/" + "a" * 256,
        " mxc://example.org/abc",
        "mxc://example.org/abc\n",
        "mxc://例え.jp/abc",
        "mxc://./abc",
        "mxc://../abc",
        "mxc://.../abc",
        "mxc://..:8448/abc",
        "mxc://.example.org/abc",
        "mxc://example.org./abc",
        "mxc://example..org/abc",
        "mxc://my_server.example.org/abc",
        "mxc://example.org:123456/abc",
        "mxc://[..]/abc",
        "mxc://[:::]/abc",
        "mxc://[1::2::3]/abc",
        "mxc://[1:2:3:4:5:6:7]/abc",
        "mxc://[::192.0.2.256]/abc",
    ],
)
def test_anything_else_is_malformed(uri: str) -> None:
    with pytest.raises(MalformedMxc) as caught:
        MediaRequest(uri)
    assert "mxc://" in caught.value.advice
    assert str(caught.value).isprintable(), "a hostile address must not rearrange the words it is quoted in"


# Groups that real addresses are made of, and those that they are not.
GROUPS = st.lists(st.sampled_from(["", "0", "1f", "FFFF", "01234", "192.0.2.7", "1.2.3", "1.2.3.256", "01.2.3.4", "."]))


@settings(deadline=None)
@given(st.one_of(GROUPS.map(":".join), st.text("0123456789abcdefABCDEF:.", max_size=45)))
@example("::")
@example("1:2:3:4:5:6:7::")
@example("::1:2:3:4:5:6:192.0.2.7")
def test_an_ipv6_literal_is_what_the_standard_library_takes_for_one(text: str) -> None:
    try:
        is_address = bool(ipaddress.IPv6Address(text))
    except ValueError:
        is_address = False
    try:
        is_server = parse_mxc(f"mxc://[{text}]/abc") == (f"[{text}]", "abc")
    except MalformedMxc:
        is_server = False
    assert is_server == is_address


def test_equal_requests_have_equal_keys() -> None:
    whole = MediaRequest("mxc://example.org/abc", kind="video")
    small = MediaRequest("mxc://example.org/abc", width=96, height=96, method="crop")
    assert whole.key == MediaRequest("mxc://example.org/abc").key
    assert small.key != whole.key
    assert small.key != MediaRequest("mxc://example.org/abc", width=96, height=96, method="scale").key


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("image/png", "image/png"),
        ("IMAGE/PNG; charset=x", "image/png"),
        ("video/mp4", "video/mp4"),
        ("image/svg+xml", "application/octet-stream"),
        ("text/html", "application/octet-stream"),
        ("application/xhtml+xml", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("image/png image/gif", "application/octet-stream"),
    ],
)
def test_only_harmless_types_are_shown_as_what_they_say(given: str, shown: str) -> None:
    assert safe_content_type(given) == shown


def test_a_repr_does_not_contain_the_src() -> None:
    request = MediaRequest("mxc://example.org/abc")
    media = Media(request, "https://x/?sig=secret", strategy="link", source="network", traffic=Traffic())
    assert "secret" not in repr(media)


def test_every_error_has_advice_and_a_user_message() -> None:
    classes = AuthMediaError.__subclasses__()
    assert len(classes) >= 12
    for error in classes:
        assert error.advice != AuthMediaError.advice, error
        assert error.user_message != AuthMediaError.user_message, error
        assert "mxc://example.org/abc" in str(error("It broke", mxc="mxc://example.org/abc", words="HTTP 500"))
