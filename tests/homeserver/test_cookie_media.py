"""The baseline `cookie`: media for requests with a valid cookie."""

import hashlib
import re
import time
from typing import Any

import pytest

from development.synapse import Synapse
from tests.homeserver.conftest import FILM
from tests.homeserver.cookies import (
    APP,
    ATTRIBUTES,
    cookie,
    get,
    is_refused,
    media_url,
    probe,
    request_cookie,
    sealed_cookie,
)
from tests.homeserver.support import NOT_SHOWN, Account, Mxc, animation, image, send


@pytest.mark.parametrize(("same_site", "partitioned"), ATTRIBUTES)
def test_cookie_opens_media(baselines: Synapse, mia: Account, video: Mxc, same_site: str, partitioned: bool) -> None:
    answer = get(baselines, video, cookie(mia, {"same_site": same_site, "partitioned": partitioned}))
    assert answer.status == 200
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(FILM).digest()
    assert answer.headers["content-type"] == "video/mp4"
    embedded_by = "cross-origin" if same_site == "None" else "same-site"
    assert answer.headers["cross-origin-resource-policy"] == embedded_by


def test_headers_of_media_by_cookie(baselines: Synapse, mia: Account, video: Mxc) -> None:
    answer = get(baselines, video, cookie(mia), Origin=APP)
    left_s = request_cookie(mia).json()["expires_in_ms"] // 1000
    found = re.fullmatch(r"private, max-age=(\d+)", answer.headers["cache-control"])
    assert found
    assert left_s <= int(found[1]) <= left_s + 10
    assert answer.headers["vary"] == "Cookie"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none';")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("content_type", "name"), NOT_SHOWN)
def test_what_a_browser_would_run_is_saved(baselines: Synapse, mia: Account, content_type: str, name: str) -> None:
    answer = get(baselines, mia.upload(b"x", content_type, name), cookie(mia))
    assert (answer.status, answer.body) == (200, b"x")
    assert answer.headers["content-disposition"] == f"attachment; filename={name}"


def test_range_tag_and_head(baselines: Synapse, mia: Account, video: Mxc) -> None:
    cookie_header = cookie(mia)
    part = get(baselines, video, cookie_header, Range="bytes=1000-199999")
    assert (part.status, part.body) == (206, FILM[1000:200_000])
    assert part.headers["content-range"] == f"bytes 1000-199999/{len(FILM)}"
    head = get(baselines, video, cookie_header, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(FILM)))
    same = get(baselines, video, cookie_header, **{"If-None-Match": head.headers["etag"]})
    assert (same.status, same.body) == (304, b"")
    outside = get(baselines, video, cookie_header, Range=f"bytes={len(FILM)}-")
    assert outside.status == 416
    for answer in (part, head, same, outside):
        assert answer.headers["vary"] == "Cookie"
        assert answer.headers["cross-origin-resource-policy"] == "same-site"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("thumbnail", "size"),
    [
        ({"width": 64, "height": 64}, (64, 40)),
        ({"width": 64, "height": 64, "method": "crop"}, (64, 64)),
        ({"width": 100, "height": 20, "method": "crop"}, (100, 20)),
    ],
)
def test_thumbnail(
    baselines: Synapse, mia: Account, still: Mxc, thumbnail: dict[str, Any], size: tuple[int, int]
) -> None:
    answer = send(media_url(baselines, still, **thumbnail), headers={"Cookie": cookie(mia)})
    assert answer.body == mia.thumbnail(still, **thumbnail).content
    assert image(answer.body).size == size


@pytest.mark.parametrize("animated", [False, True])
def test_animated_thumbnail(baselines: Synapse, mia: Account, animated: bool) -> None:
    url = media_url(baselines, mia.upload(animation(), "image/gif"), width=50, height=50, animated=animated)
    assert getattr(image(send(url, headers={"Cookie": cookie(mia)}).body), "n_frames", 1) == (3 if animated else 1)


@pytest.mark.parametrize(
    ("thumbnail", "errcode"),
    [
        ({"width": 64}, "M_MISSING_PARAM"),
        ({"method": "crop"}, "M_MISSING_PARAM"),
        ({"width": 0, "height": 64}, "M_INVALID_PARAM"),
        ({"width": 64, "height": 64, "method": "other"}, "M_INVALID_PARAM"),
    ],
)
def test_invalid_thumbnail_parameters(
    baselines: Synapse, mia: Account, still: Mxc, thumbnail: dict[str, Any], errcode: str
) -> None:
    answer = send(media_url(baselines, still, **thumbnail), headers={"Cookie": cookie(mia)})
    assert (answer.status, answer.error) == (400, errcode)


def test_missing_media_by_cookie(baselines: Synapse, mia: Account) -> None:
    answer = get(baselines, Mxc("mxc://localhost/nothing"), cookie(mia))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    assert answer.headers["cache-control"] == "no-store"
    assert get(baselines, Mxc("mxc://a%20b/x"), cookie(mia)).status == 400


@pytest.mark.parametrize(("same_site", "partitioned"), ATTRIBUTES)
def test_probe_with_a_cookie(baselines: Synapse, mia: Account, same_site: str, partitioned: bool) -> None:
    answer = probe(baselines, cookie(mia, {"same_site": same_site, "partitioned": partitioned}))
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/svg+xml"
    assert len(answer.body) == int(answer.headers["content-length"]) > 0
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    embedded_by = "cross-origin" if same_site == "None" else "same-site"
    assert answer.headers["cross-origin-resource-policy"] == embedded_by


def test_probe_without_a_valid_cookie(baselines: Synapse, mia: Account) -> None:
    assert is_refused(probe(baselines, ""), "M_MISSING_TOKEN")
    assert is_refused(probe(baselines, cookie(mia)[:-4]))
    assert is_refused(probe(baselines, sealed_cookie(mia, expires_ms=int(time.time() * 1000))))
    cross_site = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"}
    assert is_refused(probe(baselines, cookie(mia), **cross_site), "DEV.AUTHMEDIA.OTHER_SITE", 403)
    assert probe(baselines, cookie(mia, {"same_site": "None"}), **cross_site).status == 200
    assert probe(baselines, cookie(mia), "HEAD").body == b""
