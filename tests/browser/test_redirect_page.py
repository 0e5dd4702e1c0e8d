"""The page `redirect.html`, on a homeserver that redirects large media to an S3 storage of another origin."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from development.synapse import Synapse
from tests.browser.matrix_room import Room, picture
from tests.conftest import OpenTab
from tests.homeserver.s3_storage import S3Storage
from tests.homeserver.support import noise
from tests.relay import free_port

FILM = Path(__file__).resolve().parents[2] / "web" / "media" / "film.mp4"


@pytest.fixture(scope="module")
def storage() -> Iterator[S3Storage]:
    with S3Storage() as storage:
        yield storage


@pytest.fixture(scope="module")
def room(storage: S3Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """It has a film and a large picture, which are redirected, and a small one, which is not."""
    extra = {"media_storage_providers": [storage.provider()]}
    module = {"offload": "redirect", "offload_downloads": True}
    synapse = Synapse(tmp_path_factory.mktemp("redirecting"), free_port(), module_config=module, extra_config=extra)
    with synapse:
        room = Room(synapse, "ina")
        large = room.upload(noisy_picture(), "image/png")
        room.put(f"/_matrix/client/v3/profile/{room.account['user']}/avatar_url", {"avatar_url": large})
        room.send_media("large.png", large, mimetype="image/png", w=300, h=200)
        room.send_media("small.png", room.upload(picture(7), "image/png"), mimetype="image/png", w=64, h=48)
        room.send_media("film.mp4", room.upload(FILM.read_bytes(), "video/mp4"), "m.video", mimetype="video/mp4")
        yield room
        room.close()


def noisy_picture() -> bytes:
    file = io.BytesIO()
    Image.frombytes("RGB", (300, 200), noise(300 * 200 * 3)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.by_default("chromium")
def test_redirects_are_links(open_tab: OpenTab, site_for: Callable[..., str], room: Room, storage: S3Storage) -> None:
    tab = open_tab(site_for(room.account))
    tab.open("redirect", measure="video")
    assert tab.state == "done", tab.page.locator("#problem").inner_text()
    shown = tab.page.eval_on_selector_all(
        "#timeline [data-mxc]", "(all) => all.map((element) => [element.dataset.state, element.tagName, element.src])"
    )
    assert {state for state, _, _ in shown} == {"shown"}
    kinds = {(tag, "storage" if src.startswith(storage.url) else src[:5]) for _, tag, src in shown}
    assert {("VIDEO", "storage"), ("IMG", "storage"), ("IMG", "blob:")} <= kinds
    assert tab.report["video"]["done"], "it seeks by ranges of the storage"
    assert {status for _, _, status in storage.presigned_requests} <= {200, 206}
    assert 206 in [status for _, _, status in storage.presigned_requests]
    for _, headers, _ in storage.presigned_requests:
        assert not {"authorization", "cookie", "referer"} & set(headers)
    # The storage cannot know the page by the origin: it was sent there by another one.
    assert "null" in [headers.get("origin") for _, headers, _ in storage.presigned_requests]
    print(
        "FACT",
        tab.page.context.browser,
        storage.preflights,
        sorted({h.get("origin", "-") for _, h, _ in storage.presigned_requests}),
    )


@pytest.mark.by_default("chromium")
def test_a_storage_without_cors_is_named(
    open_tab: OpenTab, site_for: Callable[..., str], room: Room, storage: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_is_open", False)
    tab = open_tab(site_for(room.account))
    tab.open("redirect")
    assert tab.state == "failed"
    words = "the homeserver redirects to a storage that lets no page read its media (CORS)"
    assert words in tab.page.locator("#problem").inner_text()
