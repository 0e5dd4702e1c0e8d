"""`offload: redirect`: links that lead to presigned URLs of an S3 storage."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from development.synapse import Synapse
from tests.homeserver.conftest import QUICK, running
from tests.homeserver.s3_storage import BUCKET, S3Storage
from tests.homeserver.support import Account, Mxc, noise, picture, wait_for
from tests.relay import free_port

CONTENT = noise(300_000, "redirected")
# Links are valid for 60 or 61 seconds. Only a redirect of Synapse's own download may be valid for longer.
LINK_LIFETIME_S, LIFETIME_S = 60, 100


@pytest.fixture(scope="module")
def storage() -> Iterator[S3Storage]:
    with S3Storage() as storage:
        yield storage


@pytest.fixture(scope="module")
def ida(storage: S3Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    module = {
        "offload": "redirect",
        "offload_downloads": True,
        "redirect_lifetime": f"{LIFETIME_S}s",
        "redirect_endpoint": storage.public_url,
        "lifetime": f"{LINK_LIFETIME_S}s",
        "bucket": "1s",
        "session_bytes_per_hour": "3M",
    }
    extra = {**QUICK, "media_storage_providers": [storage.provider()]}
    synapse = Synapse(tmp_path_factory.mktemp("redirect"), free_port(), module_config=module, extra_config=extra)
    with running(synapse):
        yield Account.new(synapse, admin=True)


@pytest.fixture(scope="module")
def film(ida: Account) -> Mxc:
    return ida.upload(CONTENT, "video/mp4", "плёнка.mp4")


def terms(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def test_link_redirects_to_a_presigned_url(ida: Account, film: Mxc, storage: S3Storage) -> None:
    answer = httpx.get(ida.link(film))
    assert (answer.status_code, answer.content) == (307, b"")
    location = answer.headers["location"]
    assert location.startswith(f"{storage.public_url}/{BUCKET}/")
    left_s = int(terms(location)["X-Amz-Expires"])
    assert LINK_LIFETIME_S - 2 <= left_s <= LINK_LIFETIME_S + 1
    assert answer.headers["cache-control"] == f"private, max-age={int(left_s * 0.9)}"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not {"content-type", "content-disposition", "etag", "accept-ranges", "server-timing"} & set(answer.headers)
    sent = httpx.get(location)
    assert (sent.status_code, sent.content == CONTENT) == (200, True)
    own = httpx.get(ida.link(ida.upload(b"small", "video/mp4", "плёнка.mp4"))).headers
    assert sent.headers["content-type"] == own["content-type"] == "video/mp4"
    assert sent.headers["content-disposition"] == own["content-disposition"]
    assert sent.headers["cache-control"] == f"private, max-age={left_s}, immutable"
    part = httpx.get(ida.link(film), headers={"Range": "bytes=5-9"}, follow_redirects=True)
    assert (part.status_code, part.content) == (206, CONTENT[5:10])
    assert "X-Amz" not in ida.synapse.log_path.read_text()


def test_presigned_url_grants_nothing_else(ida: Account, film: Mxc) -> None:
    location = httpx.get(ida.link(film)).headers["location"]
    other = httpx.get(ida.link(ida.upload(noise(70_000, "other"), "video/mp4"))).headers["location"]
    for altered in (
        location.replace("video%2Fmp4", "text%2Fhtml"),
        re.sub(r"X-Amz-Expires=\d+", "X-Amz-Expires=604800", location),
        location.replace(urlsplit(location).path, urlsplit(other).path),
    ):
        assert altered != location
        assert httpx.get(altered).status_code == 403
    assert httpx.put(location, content=b"mine").status_code == 403


def test_media_that_a_browser_would_run_is_saved(ida: Account) -> None:
    page, film = ida.upload(noise(70_000), "text/html", "page.html"), ida.upload(noise(70_001), "video/mp4")
    for link in (ida.link(page), ida.download_link(film, "name.mp4")):
        sent = httpx.get(link, follow_redirects=True)
        assert len(sent.history) == 1
        assert sent.headers["content-disposition"].startswith("attachment; filename=")


def test_head_is_signed_as_such(ida: Account, film: Mxc) -> None:
    sent = httpx.head(ida.link(film), follow_redirects=True)
    assert (sent.status_code, sent.headers["content-length"]) == (200, str(len(CONTENT)))
    assert len(sent.history) == 1


def test_authenticated_download_is_redirected(ida: Account, film: Mxc, storage: S3Storage) -> None:
    answer = ida.download(film)
    assert answer.status_code == 307
    assert int(terms(answer.headers["location"])["X-Amz-Expires"]) == LIFETIME_S
    assert answer.headers["access-control-allow-origin"] == "*"
    assert httpx.get(answer.headers["location"]).content == CONTENT
    assert ida.with_token("unknown").download(film).status_code == 401


def test_file_that_the_storage_alone_has_is_not_fetched_for_a_redirect(ida: Account, storage: S3Storage) -> None:
    large, small = ida.upload(noise(90_002, "alone"), "video/mp4"), ida.upload(noise(900, "alone"), "video/mp4")
    for mxc in (large, small):
        (path,) = [path for path in ida.synapse.directory.rglob(f"*{mxc.media_id[4:]}") if "media" in path.parts]
        path.unlink()
    storage.own_requests.clear()
    assert httpx.get(ida.download(large).headers["location"]).content == noise(90_002, "alone")
    assert [method for method, _ in storage.own_requests] == ["HEAD"]
    assert ida.download(small).content == noise(900, "alone")


def test_refusals_come_before_redirects(ida: Account) -> None:
    mxc = ida.upload(noise(80_000, "hidden"), "video/mp4")
    link, other = ida.link(mxc), ida.again()
    assert httpx.get(link).status_code == 307
    ended = other.link(mxc)
    other.http.post("/_matrix/client/v3/logout").raise_for_status()
    wait_for(lambda: httpx.get(ended).status_code == 403, what="a link that is refused")
    ida.quarantine(mxc)
    assert (httpx.get(link).status_code, ida.download(mxc).status_code) == (404, 404)
    assert httpx.get(link + "x").status_code == 403


def test_what_the_storage_lacks_is_sent_by_synapse(ida: Account, film: Mxc, storage: S3Storage) -> None:
    missing, cut = (ida.upload(noise(size, "lacking"), "video/mp4") for size in (90_000, 90_001))
    for key in stored_keys(storage, missing):
        storage.client.delete_object(Bucket=BUCKET, Key=key)
    for key in stored_keys(storage, cut):
        storage.client.put_object(Bucket=BUCKET, Key=key, Body=b"a part")
    for mxc, size in ((missing, 90_000), (cut, 90_001)):
        answer = httpx.get(ida.link(mxc))
        assert (answer.status_code, len(answer.content)) == (200, size)


def stored_keys(storage: S3Storage, mxc: Mxc) -> list[str]:
    listed = storage.client.list_objects_v2(Bucket=BUCKET)["Contents"]
    found = [str(entry["Key"]) for entry in listed if entry["Key"].endswith(mxc.media_id[4:])]
    assert found
    return found


def test_small_media_and_thumbnails_are_sent_by_synapse(ida: Account) -> None:
    mxc = ida.upload(picture(), "image/png")
    assert httpx.get(ida.link(mxc)).content == picture()
    assert httpx.get(ida.link(mxc, width=32, height=32, method="crop")).status_code == 200


def test_bytes_of_the_storage_count(ida: Account, film: Mxc) -> None:
    """A link of which somebody has a copy costs the storage's owner no more than Synapse would send."""
    account = ida.again()
    link = account.link(film)
    statuses = [httpx.get(link).status_code for _ in range(12)]
    assert (statuses[:10], statuses[-1]) == ([307] * 10, 429)
    assert account.download(film).status_code == 307
