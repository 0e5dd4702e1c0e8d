"""Request URIs as they are logged: none of them opens a media, whatever its spelling."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_protocol.log_redaction import redact
from media_protocol.signing import PREFIX

SECRETS = ("SESSIONHANDLE", "SIGNATURE", "TOKENID", "HASH")
QUERIES = {
    "signed": "k=1&e=1795525729830&s=SESSIONHANDLE&w=32&h=32&m=crop&sig=SIGNATURE",
    "query": "token_id=1.TOKENID&time=1795525729830&h=HASH",
}
NAMES = "localhost:8448/sLDvNcCvkwMOpbuPKszCpFVg"
# Spellings of the question mark and of the path that a proxy or a person may have produced.
SEPARATORS = (
    "?",
    "%3F",
    "%253F",
    ";",
    "&",
    "%26",
    "%20",
    "+",
    "#",
    "%EF%BC%9F",
    "%C2%A0",
    "/?",
    "/",
    "%2F",
    "%0A",
    "=",
    ",",
)
PATHS = (
    "/{kind}/",
    "/%73igned/",
    "//{kind}//",
    "/./{kind}/",
    "/%2e/{kind}/",
    "%2F{kind}%2F",
    "\\{kind}/",
    "/{kind}%EF%BC%8F",
    "/{KIND}/",
    "/%EF%BD%93igned/",
)
PREFIXES = (
    PREFIX,
    "/" + PREFIX,
    PREFIX.replace("dev.", "dev%2E"),
    PREFIX.replace("/", "%2F"),
    PREFIX.replace("dev.authmedia", "DEV.authmedia"),
    "/x" + PREFIX,
    "/media",
)


@pytest.mark.parametrize("kind", QUERIES)
def test_nothing_behind_the_media_id_is_logged(kind: str) -> None:
    for prefix, path, separator in product(PREFIXES, PATHS, SEPARATORS):
        uri = prefix + path.format(kind=kind, KIND=kind.upper()) + NAMES + separator + QUERIES[kind]
        for spelling in (uri, uri.replace("=", "%3D"), uri.replace("%", "%25"), uri.replace("%", "%2525")):
            logged = redact(spelling)
            assert not any(secret in logged for secret in SECRETS), f"{spelling} is logged as {logged}"
            assert "<redacted>" in logged


@pytest.mark.parametrize("kind", QUERIES)
def test_names_of_media_are_logged(kind: str) -> None:
    uri = f"{PREFIX}/{kind}/{NAMES}"
    assert redact(f"{uri}?{QUERIES[kind]}") == f"{uri}?<redacted>"
    assert redact(uri) == uri
    assert redact(f"{PREFIX}/{kind}/%5B2001:db8::1%5D/abc?x") == f"{PREFIX}/{kind}/[2001:db8::1]/abc?<redacted>"


@pytest.mark.parametrize(
    "uri",
    [
        "/_matrix/client/v3/sync?since=s1_2&timeout=30000",
        "/_matrix/client/v1/media/download/localhost/abc?allow_redirect=true",
        "/_matrix/client/v3/rooms/%21a%3Alocalhost/state",
        f"{PREFIX}/links",
        f"{PREFIX}/cookie/localhost/abc?width=1",
        "*",
        "",
    ],
)
def test_other_uris_are_logged_unchanged(uri: str) -> None:
    assert redact(uri) == uri


ALTERED_TWICE = [
    "signed%20/a.b/c?k=1&si%00g=SIGNATURE",
    "signed-/a.b/c?sig:SIGNATURE",
    "?SIGNATURE",
    "x/link?SIGNATURE",
]


@pytest.mark.parametrize("path", ALTERED_TWICE)
def test_link_altered_in_two_places_is_redacted(path: str) -> None:
    assert "SIGNATURE" not in redact(f"{PREFIX}/{path}")


@pytest.mark.parametrize("name", ["sig", "token_id", "SIG", "%73ig"])
def test_parameters_that_open_media_are_redacted_on_any_path(name: str) -> None:
    assert redact(f"/elsewhere?a=1&{name}=SIGNATURE") == "/elsewhere?<redacted>"


def test_uri_that_is_encoded_too_often_is_not_logged() -> None:
    assert redact(f"{PREFIX}/signed/{NAMES}%{'25' * 9}3Fsig=SIGNATURE") == "<redacted>"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), st.data())
@settings(max_examples=300, deadline=None)
def test_any_separator_and_any_encoding_is_redacted(separator: str, data: st.DataObject) -> None:
    uri = f"{PREFIX}/signed/{NAMES}{separator}?{QUERIES['signed']}"
    encoded = "".join(f"%{ord(c):02X}" if ord(c) < 128 and data.draw(st.booleans()) else c for c in uri)
    logged = redact(encoded)
    assert not any(secret in logged for secret in SECRETS)
