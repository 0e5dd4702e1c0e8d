"""Links to thumbnails, which equal those of Synapse's own endpoint."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from development.synapse import Synapse
from tests.homeserver.support import Account, Mxc, animation, image, picture, send, wait_for


@pytest.fixture(scope="module")
def film(ana: Account) -> Mxc:
    return ana.upload(animation(), "image/gif")


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ({"width": 64, "height": 64, "method": "crop"}, (64, 64)),
        ({"width": 100, "height": 20, "method": "crop"}, (100, 20)),
        ({"width": 64, "height": 64, "method": "scale"}, (64, 40)),
        ({"width": 64, "height": 64}, (64, 40)),
        ({"width": 160, "height": 2048, "method": "scale"}, (160, 100)),
    ],
)
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_thumbnail_equals_synapses_own(ana: Account, wanted: dict[str, Any], size: tuple[int, int], first: str) -> None:
    """The first request creates it, and both endpoints create the same."""
    mxc = ana.upload(picture(), "image/png", "a photo.png")
    url = ana.link(mxc, **wanted)
    if first == "ours":
        ours, theirs = send(url), ana.thumbnail(mxc, **wanted)
    else:
        theirs, ours = ana.thumbnail(mxc, **wanted), send(url)
    assert (ours.status, theirs.status_code) == (200, 200)
    assert image(ours.body).size == size
    assert ours.body == theirs.content
    for name in ("content-type", "content-disposition", "cross-origin-resource-policy", "x-robots-tag"):
        assert ours.headers[name] == theirs.headers[name]
    assert ours.headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize("animated", [True, False])
def test_animated_thumbnail(ana: Account, film: Mxc, animated: bool) -> None:
    wanted = {"width": 50, "height": 50, "method": "scale", "animated": animated}
    ours, theirs = send(ana.link(film, **wanted)), ana.thumbnail(film, **wanted)
    assert ours.body == theirs.content
    assert ours.headers["content-type"] == ("image/webp" if animated else "image/png")
    assert getattr(image(ours.body), "n_frames", 1) == (3 if animated else 1)
    assert image(ours.body).size == (50, 30)


def test_range_of_a_thumbnail(ana: Account, photo: Mxc) -> None:
    url = ana.link(photo, width=200, height=200)
    whole = send(url)
    part = send(url, headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.body)}"
    assert send(url, headers={"If-None-Match": whole.headers["etag"]}).status == 304
    head = send(url, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert (head.headers["etag"], head.headers["content-length"]) == (whole.headers["etag"], str(len(whole.body)))


def test_entity_tags_of_sizes_differ(ana: Account, photo: Mxc) -> None:
    urls = [ana.link(photo), *(ana.link(photo, width=side, height=side) for side in (31, 32))]
    urls.append(ana.link(photo, width=31, height=31, method="crop"))
    assert len({send(url).headers["etag"] for url in urls}) == 4


def test_concurrent_requests_create_a_thumbnail_once(synapse: Synapse, ana: Account) -> None:
    mxc = ana.upload(picture(1600, 1200), "image/png")
    url = ana.link(mxc, width=777, height=777)
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: send(url), range(12)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert image(answers[0].body).size == (777, 582)
    folder = f"{mxc.media_id[:2]}/{mxc.media_id[2:4]}/{mxc.media_id[4:]}/777-777-"
    log = wait_for(lambda: text if folder in (text := synapse.log_path.read_text()) else "", what="a line in the log")
    assert len([line for line in log.splitlines() if "Stored thumbnail in file" in line and folder in line]) == 1


def test_thumbnail_whose_file_is_deleted_is_created_again(synapse: Synapse, ana: Account) -> None:
    mxc = ana.upload(picture(), "image/png")
    url = ana.link(mxc, width=99, height=99)
    first = send(url)
    deleted = list(synapse.directory.glob(f"*/local_thumbnails/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/*/99-99-*"))
    assert len(deleted) == 2  # in the store, and in the storage provider
    for file in deleted:
        file.unlink()
    again = send(url)
    assert (again.status, again.body) == (200, first.body)


def test_thumbnail_of_an_original_in_the_storage_provider(synapse: Synapse, ana: Account) -> None:
    mxc = ana.upload(picture(), "image/png")
    (local,) = synapse.directory.glob(f"media/local_content/{mxc.media_id[:2]}/{mxc.media_id[2:4]}/*")
    local.unlink()
    answer = send(ana.link(mxc, width=77, height=77))
    assert answer.status == 200
    assert image(answer.body).size == (77, 48)


@pytest.mark.parametrize(("content", "content_type"), [(b"no picture", "text/plain"), (b"broken", "image/png")])
def test_media_without_a_thumbnail(ana: Account, content: bytes, content_type: str) -> None:
    mxc = ana.upload(content, content_type)
    theirs = ana.thumbnail(mxc, width=32, height=32)
    ours = send(ana.link(mxc, width=32, height=32))
    assert (ours.status, ours.error) == (theirs.status_code, theirs.json()["errcode"])
    assert ours.headers["cache-control"] == "no-store"


# --- fixed sizes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        {"width": 32, "height": 32, "method": "crop"},
        {"width": 90, "height": 90, "method": "crop"},
        {"width": 64, "height": 64, "method": "scale"},
        {"width": 320, "height": 240, "method": "scale"},
        {"width": 500, "height": 300, "method": "scale"},
        {"width": 2000, "height": 2000, "method": "scale"},
    ],
)
def test_nearest_of_the_fixed_sizes(short_lived: Synapse, wanted: dict[str, Any]) -> None:
    account = Account.new(short_lived)
    mxc = account.upload(picture(900, 700), "image/png")
    ours, theirs = send(account.link(mxc, **wanted)), account.thumbnail(mxc, **wanted)
    assert (ours.status, theirs.status_code) == (200, 200)
    assert ours.body == theirs.content
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert image(ours.body).width >= 32


def test_no_fixed_size_of_other_media(short_lived: Synapse) -> None:
    account = Account.new(short_lived)
    mxc = account.upload(b"no picture", "text/plain")
    ours, theirs = send(account.link(mxc, width=32, height=32)), account.thumbnail(mxc, width=32, height=32)
    assert (ours.status, ours.error) == (theirs.status_code, theirs.json()["errcode"])
