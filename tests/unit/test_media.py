"""Media requests: URIs, keys and content types."""

import ipaddress

import pytest
from ada_url import URL
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authmedia.elements.element_request import request_from_attributes
from authmedia.errors import AuthMediaError, MalformedMxc
from authmedia.matrix import mxc_normalization
from authmedia.matrix.encrypted_file import Keyring
from authmedia.matrix.mxc import parse_mxc
from authmedia.media import Media, MediaRequest, safe_content_type
from authmedia.traffic import Traffic
from authmedia.transport.media_requests import batch_entry, media_path
from media_protocol.media_requests import parse_thumbnail
from media_protocol.signing import Keyring as Keyring_
from media_protocol.signing import Link
from media_protocol.signing import parse_mxc as parse_mxc_on_server


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
        "mxc://example.org#/abc",
        "https://example.org/abc",
        "mxc://example.org/abc/def",
        "mxc://example.org/../secret",
        "mxc://example.org/a b",
        "mxc://example.org/?x=/abc",
        "mxc://example.org/#x",
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
        "mxc ://example.org/abc",
        "mxc://example.org/abc/#x",
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


@pytest.mark.parametrize(
    ("uri", "normalized"),
    [
        ("mxc://example.org/abc#auto", "mxc://example.org/abc"),
        ("mxc://example.org/abc#", "mxc://example.org/abc"),
        ("mxc://example.org/abc?width=96", "mxc://example.org/abc"),
        ("mxc://example.org/abc?x#y?z", "mxc://example.org/abc"),
        (" mxc://example.org/abc", "mxc://example.org/abc"),
        ("mxc://example.org/abc\r\n", "mxc://example.org/abc"),
        ("MXC://example.org/aBc", "mxc://example.org/aBc"),
        ("mxc://[::1]:8448/abc#auto", "mxc://[::1]:8448/abc"),
    ],
)
def test_what_other_clients_ignore_is_removed(
    uri: str, normalized: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mxc_normalization, "_warned", False)
    request = MediaRequest(uri)
    assert request.mxc == request.key == normalized
    assert MediaRequest(uri).key == MediaRequest(normalized).key
    assert capsys.readouterr().out.count("which are ignored") == 1


# Sides as elements and applications name them, and the thumbnail that every strategy requests; zeros for the media.
SIZES = [
    ((96, 96), (96, 96)),
    ((96.5, 72.0), (97, 72)),
    ((95.0001, 1), (96, 1)),
    ((0, 0), (0, 0)),
    ((96, 0), (0, 0)),
    ((0, 96), (0, 0)),
    ((-96, 96), (0, 0)),
    ((float("nan"), 96), (0, 0)),
    ((float("inf"), 96), (0, 0)),
    ((2048, 2048), (2048, 2048)),
    ((2049, 2049), (2048, 2048)),
    ((4096, 1024), (2048, 512)),
    ((1, 4096), (1, 2048)),
    ((100_000, 1), (2048, 1)),
]


@pytest.mark.parametrize(("given", "requested"), SIZES)
@pytest.mark.parametrize("method", ["crop", "scale", "fit", ""])
def test_a_size_means_the_same_by_every_strategy(
    given: tuple[float, float], requested: tuple[int, int], method: str
) -> None:
    request = MediaRequest("mxc://example.org/abc", width=given[0], height=given[1], method=method)  # type: ignore[arg-type]
    query = "?width={}&height={}&method={}&animated=false".format(*requested, "crop" if method == "crop" else "scale")
    assert (request.width, request.height) == requested
    assert request.thumbnail_query == (query if requested[0] else "")
    entry = batch_entry(request).get("thumbnail")
    assert (entry and (entry["width"], entry["height"])) == (requested if requested[0] else None)
    if entry:
        parse_thumbnail(entry)  # as the module does


@pytest.mark.parametrize(
    ("width", "requested"),
    [("96", 96), ("96.0", 96), ("96.5", 97), ("96.", 96), (".5", 1), ("-96", 0), ("96px", 0), ("1e2", 0), ("", 0)],
)
def test_an_attribute_may_be_a_measured_size(width: str, requested: int) -> None:
    attributes = {"data-mxc": "mxc://example.org/abc", "data-width": width, "data-height": "96"}
    assert request_from_attributes("image", attributes, Keyring()).width == requested


@pytest.mark.parametrize(("value", "animated"), [("true", True), ("false", False), ("", False), ("TRUE", False)])
def test_a_thumbnail_is_animated_where_its_element_says_so(value: str, animated: bool) -> None:
    attributes = {"data-mxc": "mxc://example.org/abc", "data-animated": value, "data-width": "96", "data-height": "96"}
    request = request_from_attributes("image", attributes, Keyring())
    assert request.thumbnail_query.endswith(f"&animated={str(animated).lower()}")
    entry = batch_entry(request)["thumbnail"]
    assert entry["animated"] is animated
    assert parse_thumbnail(entry).animated is animated


# Names that are allowed, and odd.
ODD_NAMES = [
    ("[2001:db8::1]", "abc"),
    ("[2001:DB8::1]:8448", "abc"),
    ("[::ffff:192.0.2.7]:1", "abc"),
    ("EXAMPLE.Org:443", "AbC"),
    ("a" * 63 + ".example.org", "a" * 255),
    ("192.0.2.7:65535", "-_-"),
]


@pytest.mark.parametrize(("server", "media_id"), ODD_NAMES)
def test_odd_names_are_the_same_in_page_and_module(server: str, media_id: str) -> None:
    request = MediaRequest(f"mxc://{server}/{media_id}")
    assert (request.server_name, request.media_id) == (server, media_id)
    keyring = Keyring_([("key", b"x" * 32)])
    granted = parse_mxc_on_server(request.mxc)
    assert granted
    url = keyring.sign(Link("key", granted, 2_000_000_000_000, keyring.seal(b"session")))
    assert keyring.verify(url.encode(), 1_900_000_000_000).media == granted
    assert URL(f"http://home.test{url}").href == f"http://home.test{url}", "no browser spells it in another way"
    path = media_path(request)
    assert URL(f"http://home.test{path}").pathname == path


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
