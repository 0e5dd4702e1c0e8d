"""Links that have expired, and what a person sees who opens an invalid link."""

import re
from urllib.parse import urlsplit

import pytest

from development.synapse import Synapse
from tests.homeserver.links import is_refused, with_altered_signature
from tests.homeserver.support import PAGE, Account, Mxc, picture, send, wait_for


@pytest.fixture(scope="module")
def expired(short_lived: Synapse) -> str:
    account = Account.new(short_lived)
    url = account.link(account.upload(b"x", "text/plain"))
    assert send(url).status == 200
    wait_for(lambda: send(url).status == 403, what="the link's expiry")
    return url


def test_expired_link(expired: str) -> None:
    assert is_refused(expired, "DEV.AUTHMEDIA.LINK_EXPIRED")
    assert send(expired, "HEAD").status == 403
    assert send(expired, headers={"If-None-Match": "*"}).status == 403
    assert send(expired, headers={"Range": "bytes=0-"}).status == 403


def test_expired_and_altered_link_is_refused_as_altered(expired: str) -> None:
    """The response does not reveal whether a part of a forged link is valid."""
    assert is_refused(with_altered_signature(expired))


def test_link_is_not_cached_beyond_its_expiry(short_lived: Synapse) -> None:
    account = Account.new(short_lived)
    found = re.search(r"max-age=(\d+)", send(account.link(account.upload(b"x"))).headers["cache-control"])
    assert found
    assert int(found[1]) <= 3


# --- error pages ------------------------------------------------------------------------------------------------------


def test_invalid_link_in_a_navigation_gets_a_page(expired: str, ana: Account, photo: Mxc) -> None:
    cases = ((expired, "This link has expired"), (with_altered_signature(ana.link(photo)), "This link does not work"))
    for url, title in cases:
        answer = send(url, headers=dict(PAGE))
        text = answer.body.decode()
        assert answer.status == 403
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<title>{title}</title>" in text
        assert "What you can do" in text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_error_page_repeats_nothing_of_the_link(ana: Account, photo: Mxc) -> None:
    url = ana.link(photo).replace("/localhost/", "/<script>/")
    text = send(url, headers=dict(PAGE)).body.decode()
    assert "<script>" not in text
    assert photo.media_id not in text
    assert urlsplit(url).query not in text


def test_error_page_of_unavailable_media(ana: Account, admin: Account) -> None:
    mxc = ana.upload(picture(40, 40), "image/png")
    url = ana.link(mxc)
    admin.quarantine(mxc)
    answer = send(url, headers=dict(PAGE))
    assert answer.status == 404
    assert "<title>This file is not available</title>" in answer.body.decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "*/*"},
        {"Accept": "image/avif,image/webp,*/*;q=0.8", "Sec-Fetch-Mode": "no-cors"},
        {"Accept": "text/html", "Sec-Fetch-Mode": "cors"},
        {"Accept": b"\xff"},
    ],
)
def test_invalid_link_in_other_requests_gets_a_matrix_error(expired: str, headers: dict[str, str | bytes]) -> None:
    answer = send(expired, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    assert answer.error == "DEV.AUTHMEDIA.LINK_EXPIRED"


def test_valid_link_in_a_navigation_gets_the_media(ana: Account, photo: Mxc) -> None:
    assert send(ana.link(photo), headers=dict(PAGE)).body == picture()
