"""Media of another homeserver, fetched through a link of one's own."""

import pytest

from development.synapse import Synapse
from tests.homeserver.support import PREFIX, Account, Mxc, image, noise, picture, send

CONTENT = noise(500_000, "far away")


@pytest.fixture(scope="module")
def near(federation: tuple[Synapse, Synapse]) -> Account:
    return Account.new(federation[0], admin=True)


@pytest.fixture(scope="module")
def far(federation: tuple[Synapse, Synapse]) -> Account:
    return Account.new(federation[1])


@pytest.fixture(scope="module")
def film(far: Account) -> Mxc:
    return far.upload(CONTENT, "video/mp4", "film.mp4")


def test_whole(near: Account, far: Account, film: Mxc) -> None:
    assert film.server_name == far.synapse.server_name != near.synapse.server_name
    url = near.link(film)
    assert url.startswith(f"http://127.0.0.1:{near.synapse.port}{PREFIX}/signed/{film.names}?")
    answer = send(url)
    assert (answer.status, answer.body == CONTENT) == (200, True)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == "inline; filename=film.mp4"
    assert send(url, headers={"If-None-Match": answer.headers["etag"]}).status == 304


def test_range_before_the_media_has_ever_been_fetched(near: Account, far: Account) -> None:
    content = noise(300_000, "never fetched")
    answer = send(near.link(far.upload(content, "video/mp4")), headers={"Range": "bytes=100000-100099"})
    assert (answer.status, answer.body) == (206, content[100_000:100_100])
    assert answer.headers["content-range"] == "bytes 100000-100099/300000"


def test_head(near: Account, film: Mxc) -> None:
    answer = send(near.link(film), "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize("method", ["crop", "scale"])
def test_thumbnail(near: Account, far: Account, method: str) -> None:
    mxc = far.upload(picture(), "image/png")
    wanted = {"width": 64, "height": 64, "method": method}
    ours, theirs = send(near.link(mxc, **wanted)), near.thumbnail(mxc, **wanted)
    assert (ours.status, theirs.status_code) == (200, 200)
    assert image(ours.body).size == ((64, 64) if method == "crop" else (64, 40))
    assert ours.body == theirs.content


def test_media_that_the_other_server_does_not_have(near: Account, far: Account) -> None:
    answer = send(near.link(Mxc(f"mxc://{far.synapse.server_name}/AAAAAAAAAAAAAAAAAAAAAAAA")))
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")
    assert answer.headers["cache-control"] == "no-store"


def test_media_of_a_server_that_does_not_answer(near: Account) -> None:
    answer = send(near.link(Mxc("mxc://localhost:1/abc")))
    assert answer.status in (404, 502, 504)
    assert answer.headers["cache-control"] == "no-store"


def test_quarantined_here(near: Account, far: Account) -> None:
    """A remote media's links are minted unseen, and refused when they are used."""
    mxc = far.upload(picture(60, 60), "image/png")
    url = near.link(mxc)
    assert send(url).status == 200
    near.quarantine(mxc)
    answer = send(url)
    assert (answer.status, answer.error) == (404, "M_NOT_FOUND")


def test_link_is_good_at_the_server_that_made_it_alone(near: Account, far: Account, film: Mxc) -> None:
    url = near.link(film)
    assert send(url.replace(f":{near.synapse.port}/", f":{far.synapse.port}/", 1)).status == 403
