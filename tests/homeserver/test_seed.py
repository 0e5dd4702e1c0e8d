"""The sample room on a real Synapse: what is in it, and that seeding can be repeated and interrupted."""

import hashlib
import shutil
import stat
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blurhash
import httpx
import pytest
from PIL import Image, ImageStat

from development.conversation import CONVERSATION, PEOPLE
from development.matrix import Matrix
from development.sample_media import catalogue as samples
from development.sample_media import image_files as pictures
from development.sample_media import video as film
from development.seed import Demo, SeedError, media_of, seed
from development.synapse import Synapse
from tests.relay import free_port
from tests.sample_media_cache import copy_sample_media

_CLIENT = "/_matrix/client/v3"
# Cheap password hashes, no thumbnails before anybody asks for one, and no limit on joins: what takes time in these
# tests is then what they are about.
_FAST = {
    "bcrypt_rounds": 4,
    "thumbnail_sizes": [],
    "rc_joins_per_room": {"per_second": 1000, "burst_count": 1000},
}

INTERRUPTIONS = (
    ("Making accounts", 5),
    ("Drawing avatars", 0),
    ("Drawing avatars", 9),
    ("Filling the room", 0),
    ("Filling the room", 11),
    ("Writing messages", 7),
    ("Writing messages", 39),
)


class Homeserver:
    """A Synapse of its own, with the folder that it is seeded from."""

    def __init__(self, directory: Path) -> None:
        self.seed_directory = directory / "seed"
        self.synapse = Synapse(directory / "homeserver", free_port(), extra_config=_FAST)
        self.steps: list[tuple[str, int]] = []

    def seed(self, stop_at: tuple[str, int] | None = None) -> Demo:
        """Seeds, up to a step at which it is interrupted."""
        self.steps.clear()

        def progress(words: str, done: int, total: int) -> None:
            assert 0 <= done < total
            self.steps.append((words, done))
            if (words, done) == stop_at:
                raise KeyboardInterrupt

        return seed(self.synapse.base_url, self.synapse.register, directory=self.seed_directory, progress=progress)

    def inspect(self, demo: Demo) -> "Room":
        """The room as the demonstration's account sees it."""
        with httpx.Client(base_url=self.synapse.base_url, timeout=30) as http:
            identifier = {"type": "m.id.user", "user": demo.user_id}
            login = {"type": "m.login.password", "identifier": identifier, "password": demo.password}
            token = http.post(f"{_CLIENT}/login", json=login).raise_for_status().json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            return Room(http, demo.room_id)

    def count_media(self) -> int:
        """How many media the homeserver keeps, whoever uploaded them."""
        with httpx.Client(base_url=self.synapse.base_url, timeout=30) as http:
            token = self._inspector_token()
            answer = http.get("/_synapse/admin/v1/statistics/users/media", headers={"Authorization": f"Bearer {token}"})
            return sum(user["media_count"] for user in answer.raise_for_status().json()["users"])

    def _inspector_token(self) -> str:
        if not hasattr(self, "_token"):
            self._token = str(self.synapse.register("inspector", "a password", admin=True)["access_token"])
        return self._token


class Room:
    """A room's state and its messages, oldest first."""

    def __init__(self, http: httpx.Client, room_id: str) -> None:
        path = f"{_CLIENT}/rooms/{room_id}"
        self.state = http.get(f"{path}/state").raise_for_status().json()
        page = http.get(f"{path}/messages?dir=b&limit=1000").raise_for_status().json()
        self.events: list[dict[str, Any]] = page["chunk"][::-1]
        self.messages = [event["content"] for event in self.events if event["type"] == "m.room.message"]
        self.members = [event["content"] for event in self.state if event["type"] == "m.room.member"]
        self.named = {event["type"]: event["content"] for event in self.state if event.get("state_key") == ""}

    def fingerprint(self) -> list[str]:
        return sorted(event["event_id"] for event in self.state + self.events)


@pytest.fixture(scope="module")
def homeserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """Most of its pictures are drawn already; seeding draws the others."""
    homeserver = Homeserver(tmp_path_factory.mktemp("seeded"))
    copy_sample_media(homeserver.seed_directory)
    for name in ("avatar-haneul.png", "saturn.png", "lake.jpg"):
        (homeserver.seed_directory / "media" / name).unlink()
    with homeserver.synapse:
        yield homeserver


@pytest.fixture(scope="module")
def demo(homeserver: Homeserver) -> Demo:
    """Seeded, after seeding was interrupted at all of its kinds of steps; so all tests are about what that makes."""
    for step in INTERRUPTIONS:
        with pytest.raises(KeyboardInterrupt):
            homeserver.seed(stop_at=step)
    return homeserver.seed()


@pytest.fixture(scope="module")
def room(homeserver: Homeserver, demo: Demo) -> Room:
    return homeserver.inspect(demo)


@pytest.fixture(scope="module")
def media(homeserver: Homeserver, demo: Demo) -> dict[str, samples.Sample]:
    return media_of(homeserver.seed_directory)


@pytest.fixture
def other_homeserver(homeserver: Homeserver, demo: Demo, tmp_path: Path) -> Iterator[Homeserver]:
    """One that is empty yet; its pictures are drawn already."""
    other = Homeserver(tmp_path)
    shutil.copytree(homeserver.seed_directory / "media", other.seed_directory / "media")
    with other.synapse:
        yield other


# --- what is in the room ----------------------------------------------------------------------------------------------


def test_the_room_has_24_people_with_names_and_avatars(room: Room, media: dict[str, samples.Sample]) -> None:
    assert len(room.members) == 24
    assert {member["displayname"] for member in room.members} == set(PEOPLE.values())
    assert {media[member["avatar_url"]].kind for member in room.members} == {"avatar"}
    assert len({member["avatar_url"] for member in room.members}) == 24


def test_the_room_has_a_name_a_topic_and_an_avatar(room: Room, media: dict[str, samples.Sample]) -> None:
    assert room.named["m.room.name"]["name"]
    assert room.named["m.room.topic"]["topic"]
    assert media[room.named["m.room.avatar"]["url"]].name == samples.ROOM_AVATAR


def test_the_conversation_stands_in_its_order(room: Room) -> None:
    assert len(room.messages) == 41
    expected = [(line.words or line.sample, line.sample) for line in CONVERSATION]
    assert [(content["body"], content.get("filename", "")) for content in room.messages] == expected


def test_messages_are_of_all_kinds(room: Room) -> None:
    kinds = Counter(content["msgtype"] for content in room.messages)
    assert kinds == {"m.text": 23, "m.image": 14, "m.video": 1, "m.audio": 1, "m.file": 2}


def address(content: dict[str, Any]) -> str:
    """Where a message's media is, encrypted or not."""
    return str(content["file"]["url"] if "file" in content else content["url"])


def test_messages_describe_their_media_as_they_are(room: Room, media: dict[str, samples.Sample]) -> None:
    for content in room.messages:
        if content["msgtype"] == "m.text":
            continue
        sample, info = media[address(content)], content["info"]
        assert (info["mimetype"], info["size"]) == (sample.mimetype, sample.size)
        assert (info.get("w", 0), info.get("h", 0)) == (sample.width, sample.height)
        assert info.get("duration", 0) == sample.duration_ms
        if sample.kind == "image":
            with Image.open(sample.path) as picture:
                assert picture.size == (info["w"], info["h"])
                assert picture.get_format_mimetype() == info["mimetype"]
                mean = ImageStat.Stat(picture.convert("RGB")).mean
            assert blurhash.components(info["xyz.amorgan.blurhash"]) == (4, 3)
            rows = blurhash.decode(info["xyz.amorgan.blurhash"], 8, 6)
            assert [sum(pixel[part] for row in rows for pixel in row) / 48 for part in range(3)] == pytest.approx(
                mean, abs=25
            )


def test_pictures_are_large_small_upright_wide_and_moving(room: Room, media: dict[str, samples.Sample]) -> None:
    urls = [address(content) for content in room.messages if content["msgtype"] == "m.image"]
    shown = [media[url] for url in set(urls)]
    assert max(Counter(urls).values()) == 2, "one picture is in two messages"
    assert all(100_000 < sample.size < 3_000_000 for sample in shown)
    assert any(sample.size > 2_000_000 for sample in shown)
    assert any(sample.height > sample.width for sample in shown)
    assert {sample.mimetype for sample in shown} == {"image/jpeg", "image/png", "image/gif"}
    (moving,) = (sample for sample in shown if sample.mimetype == "image/gif")
    with Image.open(moving.path) as picture:
        assert getattr(picture, "n_frames", 1) > 10


def test_every_media_downloads_as_it_was_uploaded(
    homeserver: Homeserver, demo: Demo, room: Room, media: dict[str, samples.Sample]
) -> None:
    assert len(media) == len(samples.samples(homeserver.seed_directory)) == homeserver.count_media()
    token = homeserver.synapse.register("reader", "a password")["access_token"]
    with Matrix(homeserver.synapse.base_url) as matrix:
        (file,) = (content["file"] for content in room.messages if "file" in content)
        for mxc, sample in media.items():
            digest = hashlib.sha256(matrix.download(token, mxc))
            if mxc == file["url"]:
                assert b64encode(digest.digest()).decode().rstrip("=") == file["hashes"]["sha256"], "the ciphertext's"
            else:
                assert digest.hexdigest() == sample.sha256


def test_nobody_else_can_read_passwords_and_tokens(homeserver: Homeserver, demo: Demo) -> None:
    for name in ("passwords.json", "record.json"):
        assert stat.S_IMODE((homeserver.seed_directory / name).stat().st_mode) == 0o600


# --- seeding again ----------------------------------------------------------------------------------------------------


def test_seeding_again_changes_nothing(homeserver: Homeserver, demo: Demo, room: Room) -> None:
    before = homeserver.count_media()
    assert homeserver.seed() == demo
    assert homeserver.steps == []
    assert homeserver.inspect(demo).fingerprint() == room.fingerprint()
    assert homeserver.count_media() == before


@pytest.mark.parametrize("record", [None, "{half a rec"], ids=["lost", "broken"])
def test_without_its_record_seeding_changes_nothing(
    homeserver: Homeserver, demo: Demo, room: Room, media: dict[str, samples.Sample], record: str | None
) -> None:
    path, before = homeserver.seed_directory / "record.json", homeserver.count_media()
    path.unlink()
    if record:
        path.write_text(record, encoding="utf-8")
    assert homeserver.seed() == demo
    assert homeserver.inspect(demo).fingerprint() == room.fingerprint()
    assert homeserver.count_media() == before
    assert media_of(homeserver.seed_directory) == media


def test_interrupted_seeding_goes_on_where_it_was(homeserver: Homeserver, demo: Demo) -> None:
    _assert_whole(homeserver, demo)


@pytest.mark.full_matrix
def test_an_answer_that_gets_lost_doubles_nothing(
    other_homeserver: Homeserver, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Matrix._send
    to_lose = ["/login", "/upload/", "/avatar_url", "/upload/", "/createRoom", "/join/", "/send/", "/upload/", "/send/"]

    def losing(self: Matrix, method: str, path: str, *rest: Any, **named: Any) -> httpx.Response:
        answer = send(self, method, path, *rest, **named)
        if to_lose and to_lose[0] in path:
            to_lose.pop(0)
            raise SeedError("The answer got lost.")
        return answer

    with pytest.raises(KeyboardInterrupt):
        other_homeserver.seed(stop_at=("Making accounts", 3))
    (other_homeserver.seed_directory / "record.json").unlink()
    monkeypatch.setattr(Matrix, "_send", losing)
    while to_lose:
        with pytest.raises(SeedError, match="lost"):
            other_homeserver.seed()
    _assert_whole(other_homeserver, other_homeserver.seed())


@pytest.mark.full_matrix
def test_a_new_homeserver_is_filled_although_the_record_tells_of_another(
    homeserver: Homeserver, demo: Demo, other_homeserver: Homeserver
) -> None:
    shutil.copytree(homeserver.seed_directory, other_homeserver.seed_directory, dirs_exist_ok=True)
    again = other_homeserver.seed()
    assert again.password == demo.password
    assert again.room_id != demo.room_id
    _assert_whole(other_homeserver, again)


def _assert_whole(homeserver: Homeserver, demo: Demo) -> None:
    room = homeserver.inspect(demo)
    assert len(room.members) == 24
    assert [content["dev.authmedia.line"] for content in room.messages] == list(range(len(CONVERSATION)))
    joins = [event for event in room.events if event["type"] == "m.room.member"]
    assert len(joins) == 24, "nobody joined or changed twice"
    media = media_of(homeserver.seed_directory)
    assert len(media) == len(samples.samples(homeserver.seed_directory)) == homeserver.count_media()


# --- what can be wrong ------------------------------------------------------------------------------------------------


def test_a_homeserver_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    def register(_name: str, _password: str) -> dict[str, Any]:
        raise AssertionError("nobody is there to register with")

    with pytest.raises(SeedError, match=r"does not answer .*Start it"):
        seed(f"http://localhost:{free_port()}", register, directory=tmp_path)


def test_lost_passwords_are_told_with_what_to_do(homeserver: Homeserver, demo: Demo, tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="start afresh"):
        seed(homeserver.synapse.base_url, homeserver.synapse.register, directory=tmp_path)


# --- the samples ------------------------------------------------------------------------------------------------------


def test_pictures_are_drawn_alike_every_time() -> None:
    assert pictures.avatar("haneul") == pictures.avatar("haneul")
    assert pictures.PICTURES["saturn.png"]() == pictures.PICTURES["saturn.png"]()


def test_the_films_patch_tells_every_second() -> None:
    for second in range(film.SECONDS):
        frame = film.draw_frame(second + 0.5)
        left, top, right, bottom = film.PATCH_BOX
        colour = frame.getpixel(((left + right) // 2, (top + bottom) // 2))
        assert isinstance(colour, tuple)
        red, green, blue = (int(value) for value in colour)
        assert film.second_of((red, green, blue)) == second
        assert film.second_of((max(red - 40, 0), min(green + 40, 255), max(blue - 40, 0))) == second


def test_the_film_can_be_played_before_all_of_it_is_there(media: dict[str, samples.Sample]) -> None:
    (sample,) = (sample for sample in media.values() if sample.kind == "video")
    content = sample.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
